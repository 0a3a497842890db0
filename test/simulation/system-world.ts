/**
 * A whole system in one process from one seed: clients, edges and stores with their real sessions, drivers and machines, on models of NATS, Redis
 * and PostgreSQL and on virtual time. Processes stop, stand still and end, messages and answers are lost, servers restart and forget.
 */
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { PositionsModel } from '@polyedge/journal/testing/positions-model';
import type { JsonObject } from '@polyedge/query/json';
import { NatsModel } from '@polyedge/simulation/nats-model';
import { Chance, VirtualTime } from '@polyedge/simulation/virtual-time';
import { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import { Member, type SimulatedClient, Watcher, Writer, WritingClient } from './clients.ts';
import { EdgeProcess } from './edge-process.ts';
import { Judge, TOKEN } from './judge.ts';
import { LiveQuery } from './live-queries.ts';
import type { SystemBug } from './planted.ts';
import { RedisModel } from './redis-model.ts';
import { SagaClient } from './saga-clients.ts';
import { PARTITIONS, SCOPE, TENANT, TYPES } from './settings.ts';
import { StoreProcess } from './store-process.ts';
import type { Surroundings } from './surroundings.ts';

export interface SystemHistory {
  readonly seed: number;
  /** How often something is done to the system. What is done depends on the seed and its number alone. */
  readonly events: number;
  /** Which of these happen; default all. */
  readonly kept?: readonly number[];
  readonly bug?: SystemBug;
}

/** How a history went: what was wrong with it, and what it was made of. */
export interface SystemTold {
  readonly problem: string | undefined;
  readonly timeline: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  /** Of every event of the history (`VirtualTime`). */
  readonly fingerprint: number;
}

const GROUPS = ['one', 'two'];
const KEPT_LINES = 400;
const PAUSES_MS = [0, 1, 5, 20, 100, 700];
/** When faults stop, everything is delivered within this time. */
const PROGRESS_MS = 30_000;
/** Answers lost of a hundred while something may fail. */
const LOST_ANSWERS = 3;

export class SystemWorld implements Surroundings {
  readonly time = new VirtualTime();
  readonly chance: Chance;
  readonly nats: NatsModel;
  readonly redis: RedisModel;
  readonly database: DatabaseModel;
  readonly positions = new PositionsModel(PARTITIONS);
  readonly judge: Judge;
  readonly bug: SystemBug | undefined;
  databaseAwayUntil = 0;
  lostAnswers = LOST_ANSWERS;
  failovers = 0;
  readonly #history: SystemHistory;
  /** Of what is done to the system. */
  #choice = new Chance(0);
  readonly #edges: EdgeProcess[] = [];
  readonly #stores: StoreProcess[] = [];
  readonly #clients: SimulatedClient[] = [];
  readonly #timeline: string[] = [];
  #secondAgo: () => void = () => {};
  #halfAgo: () => void = () => {};
  #copyOfDatabase: () => void = () => {};
  #count = 0;
  #steps = 0;
  #faults = 0;
  #products = 0;

  constructor(history: SystemHistory) {
    this.#history = history;
    this.bug = history.bug;
    this.chance = new Chance(history.seed);
    this.database = new DatabaseModel({
      remembers: history.bug !== 'repeats-not-looked-up',
      readsLater: history.bug === 'read-after-lock',
    });
    this.nats = new NatsModel(this.time, () => this.chance.next());
    this.redis = new RedisModel(this.time);
    this.judge = new Judge(this.time, this.database, this.positions, GROUPS);
  }

  note(line: string): void {
    this.#timeline.push(`${Math.floor(this.time.now)} ms: ${line}`);
    if (this.#timeline.length > KEPT_LINES) this.#timeline.shift();
  }

  async run(): Promise<SystemTold> {
    this.#copy();
    for (let count = 0; count < 2; count += 1) {
      this.#startStore();
      this.#startEdge();
    }
    this.#openClients();
    this.#steps += await this.time.runSettled(1500);
    const { seed, events, kept } = this.#history;
    for (const event of kept ?? Array.from({ length: events }, (_, at) => at)) {
      // A choice of its own for each: leaving one out does not make another one of the next.
      this.#choice = new Chance(Math.imul(seed, 0x9e3779b1) ^ Math.imul(event + 1, 0x85ebca6b));
      this.#something();
      this.#steps += await this.time.runSettled(this.#choice.of(PAUSES_MS) ?? 0);
      this.#look();
      if (this.judge.problem !== undefined) break;
    }
    if (this.judge.problem === undefined) await this.#settle();
    return {
      problem: this.judge.problem,
      timeline: this.#timeline,
      counts: { ...this.judge.counts, repeats: this.judge.repeats, steps: this.#steps, faults: this.#faults },
      fingerprint: this.time.fingerprint,
    };
  }

  /** Faults stop; then everything that was written reaches everybody. */
  async #settle(): Promise<void> {
    this.note('nothing fails any more');
    this.lostAnswers = 0;
    this.databaseAwayUntil = 0;
    this.redis.awayUntil = 0;
    for (const edge of this.#livingEdges) edge.groups.redisAwayUntil = 0;
    for (const client of this.#clients) client.read(true);
    const lasting = [...this.#edges, ...this.#stores].flatMap(({ process, bus }) => [process.frozenUntil, bus.link.silentUntil]);
    const begin = Math.max(this.time.now, ...lasting);
    this.#steps += await this.time.runSettled(begin - this.time.now);
    await this.#until(begin + PROGRESS_MS / 2);
    // What comes now has to be shown to everybody who has been there for a while.
    this.#steps += await this.time.runSettled(1000);
    this.#writeProduct();
    for (const type of TYPES) this.#writeMarker(type);
    for (const client of this.#clients) if (client instanceof WritingClient) client.write(3);
    this.#steps += await this.time.runSettled(100);
    const missing = await this.#until(begin + PROGRESS_MS);
    if (missing !== undefined) this.judge.wrong(`no progress: ${missing}`);
  }

  /** Lets time pass until nothing is missing, or until then. @returns what is missing */
  async #until(end: number): Promise<string | undefined> {
    for (;;) {
      let missing = this.judge.missingInGroups();
      for (const client of this.#clients) missing ??= client.missing();
      if (missing === undefined || this.time.now >= end || this.judge.problem !== undefined) return missing;
      this.#steps += await this.time.runSettled(250);
      this.#look();
    }
  }

  /** What holds at every moment. */
  #look(): void {
    this.judge.positions();
    for (const { feed, process } of this.#livingEdges) {
      const { stagedBytes, pending } = feed.stats;
      if (stagedBytes > 64 * 1024 * 1024 || pending > 200_000) this.judge.wrong(`${process.name} stages more than it may`);
    }
    for (const { waitingRequests, process } of this.#stores)
      if (waitingRequests > 4000) this.judge.wrong(`${waitingRequests} requests wait at ${process.name}`);
  }

  // ---- who takes part

  get #livingEdges(): EdgeProcess[] {
    return this.#edges.filter(({ process }) => !process.isDead);
  }

  get #livingStores(): StoreProcess[] {
    return this.#stores.filter(({ process }) => !process.isDead);
  }

  #newName(kind: string): string {
    this.#count += 1;
    return `${kind}${this.#count}`;
  }

  #startStore(): void {
    const store = new StoreProcess(this, this.#newName('store'));
    this.#stores.push(store);
    this.note(`${store.process.name} starts`);
  }

  #startEdge(): void {
    const edge = new EdgeProcess(this, this.#newName('edge'));
    this.#edges.push(edge);
    this.note(`${edge.process.name} starts`);
  }

  #openClients(): void {
    const edges = (): EdgeProcess[] => this.#livingEdges;
    const clients: SimulatedClient[] = [
      new Watcher(this, 'watcher', edges, [TYPES, TYPES.slice(0, 1)], false),
      new Watcher(this, 'delta watcher', edges, [TYPES.slice(0, 1)], true),
      ...GROUPS.flatMap((group) => [
        new Member(this, `member of ${group}`, edges, group),
        new Member(this, `second of ${group}`, edges, group),
      ]),
      new Writer(this, 'writer', edges),
      new Writer(this, 'other', edges),
      new SagaClient(this, 'player', edges),
      new SagaClient(this, 'other player', edges),
      new LiveQuery(this, 'query', edges, 3, 4),
      new LiveQuery(this, 'short query', edges, 0, 2),
    ];
    for (const client of clients) {
      this.#clients.push(client);
      client.connect();
    }
  }

  // ---- what happens

  #something(): void {
    const pick = this.#choice.below(100);
    if (pick < 32) this.#write();
    else if (pick < 48) this.#writeProducts();
    else if (pick < 53) this.#loseNetwork();
    else if (pick < 58) this.#client('stops reading', 0, (client) => client.read(false));
    else if (pick < 64) this.#client('reads again', 0, (client) => client.read(true));
    else if (pick < 68) this.#client('breaks off', 0, (client) => client.breakOff(this.#choice.percent(30)));
    else if (pick < 72) this.#stop('edge');
    else if (pick < 74) this.#stop('store');
    else if (pick < 79) this.#freeze(this.#livingEdges);
    else if (pick < 84) this.#freeze(this.#livingStores);
    else if (pick < 88) this.#breakBus();
    else if (pick < 90) this.#fault('NATS restarts', 1000, () => this.nats.restart(this.#choice.below(1000)));
    else if (pick < 92) this.#loseRedis();
    else if (pick < 94) this.#fault('Redis is wiped', 0, () => this.#redisIsBack(() => this.redis.wipe()));
    else if (pick < 96) this.#fault('Redis loses its last second', 0, () => this.#redisIsBack(() => this.#secondAgo()));
    else if (pick < 98) this.#loseDatabase(() => {});
    else if (pick < 99) this.#jumpClock();
    else if (this.#choice.percent(25)) this.#failOver();
  }

  #someClient<Client extends SimulatedClient>(kind: abstract new (...args: never[]) => Client): Client | undefined {
    return this.#choice.of(this.#clients.filter((client): client is Client => client instanceof kind));
  }

  #write(): void {
    const writer = this.#someClient(WritingClient);
    const count = 1 + this.#choice.below(4);
    if (writer === undefined) return;
    this.note(`${writer.name} sends ${count} requests`);
    writer.write(count);
  }

  /** Products are written, changed or deleted at the same moment by some who are no clients of ours. New ones keep coming. */
  #writeProducts(): void {
    for (let left = 1 + this.#choice.below(5); left > 0; left -= 1) this.#writeProduct();
  }

  #writeProduct(): void {
    const edge = this.#choice.of(this.#livingEdges);
    if (edge === undefined) return;
    this.#products += 1;
    const token = `p.${this.#products}`;
    const operations = [this.#productOperation(token)];
    // What many have to wait for.
    if (this.#choice.percent(40)) operations.push(upsert('p-stock', 'stock', { [TOKEN]: `${token}b` }));
    this.note(`${edge.process.name} writes ${token} to ${operations.map(({ target }) => target.id).join(' and ')}`);
    this.#send(edge, token, operations);
  }

  #productOperation(token: string): Operation & { readonly target: { readonly id: string } } {
    const id = `p${Math.floor(this.#products / 6) + this.#choice.below(4)}`;
    if (this.#choice.percent(15)) return { op: 'delete', target: { id } };
    return upsert(id, 'products', { price: this.#choice.below(10), [TOKEN]: token });
  }

  /** A vertex that everybody who watches its type has to be shown. */
  #writeMarker(type: string): void {
    const edge = this.#choice.of(this.#livingEdges);
    if (edge !== undefined) this.#send(edge, type, [{ op: 'create', type, scope: SCOPE, attributes: { [TOKEN]: type } }]);
  }

  #send(edge: EdgeProcess, id: string, operations: readonly Operation[]): void {
    const request: MutationRequest = {
      operationId: operationId(
        Math.floor(edge.process.date()),
        Uint8Array.from({ length: 10 }, () => this.#choice.below(256)),
      ),
      ...{ by: 'u1', app: 'a', origin: { protocol: 'gooduncle', way: 'socket', operation: 'update' }, operations: [...operations] },
    };
    edge.write({ id, tenant: TENANT, defaultScope: SCOPE, own: 'any', request });
  }

  #fault(what: string, ms: number, happen: () => void): void {
    this.#faults += 1;
    this.note(ms === 0 ? what : `${what} for ${ms} ms`);
    this.judge.fault(this.time.now, this.time.now + ms);
    happen();
  }

  #client(what: string, ms: number, happen: (client: SimulatedClient) => void): void {
    const client = this.#choice.of(this.#clients);
    if (client !== undefined) this.#fault(`${client.name} ${what}`, ms, () => happen(client));
  }

  /** Of somebody who goes on with the session from elsewhere. */
  #loseNetwork(): void {
    const player = this.#someClient(SagaClient);
    if (player !== undefined) this.#fault(`${player.name} loses its network`, 0, () => player.breakOff(this.#choice.percent(50)));
  }

  /** A process ends at once, or is stopped in good order; another one takes its place. */
  #stop(kind: 'edge' | 'store'): void {
    const stopped = this.#choice.of<EdgeProcess | StoreProcess>(kind === 'edge' ? this.#livingEdges : this.#livingStores);
    if (stopped === undefined) return;
    this.#fault(`${stopped.process.name} is killed`, 0, () => stopped.kill());
    this.time.after(this.#choice.below(3000), () => {
      if (kind === 'edge') this.#startEdge();
      else this.#startStore();
    });
  }

  #freeze(processes: readonly (EdgeProcess | StoreProcess)[]): void {
    const frozen = this.#choice.of(processes);
    const ms = this.#choice.below(this.#choice.percent(50) ? 1000 : 12_000);
    if (frozen !== undefined) this.#fault(`${frozen.process.name} stands still`, ms, () => frozen.process.freeze(ms));
  }

  #breakBus(): void {
    const one = this.#choice.of<EdgeProcess | StoreProcess>([...this.#livingEdges, ...this.#livingStores]);
    if (one === undefined) return;
    const ms = this.#choice.below(15_000);
    if (this.#choice.percent(60)) this.#fault(`${one.process.name} loses its connection to NATS`, 0, () => one.bus.link.cut());
    else this.#fault(`nothing passes between ${one.process.name} and NATS`, ms, () => one.bus.link.silence(ms));
  }

  #loseRedis(): void {
    const ms = this.#choice.below(6000);
    const edge = this.#choice.of(this.#livingEdges);
    if (edge === undefined || this.#choice.percent(50))
      this.#fault('Redis is away', ms, () => {
        this.redis.awayUntil = Math.max(this.redis.awayUntil, this.time.now + ms);
        this.time.after(ms, () => this.#redisIsBack(() => {}));
      });
    else
      this.#fault(`${edge.process.name} cannot reach Redis`, ms, () => {
        edge.groups.redisAwayUntil = Math.max(edge.groups.redisAwayUntil, this.time.now + ms);
        edge.process.after(ms, () => edge.groups.reconnected());
      });
  }

  #redisIsBack(change: () => void): void {
    change();
    for (const edge of this.#livingEdges) edge.process.after(this.#choice.below(100), () => edge.groups.reconnected());
  }

  #loseDatabase(change: () => void): void {
    const ms = this.#choice.below(3000);
    this.#fault('the database is away', ms, () => {
      this.database.disconnect();
      change();
      this.databaseAwayUntil = Math.max(this.databaseAwayUntil, this.time.now + ms);
      for (const store of this.#livingStores) store.databaseLost();
    });
  }

  /** Another copy of the database takes over, which is up to a second behind. */
  #failOver(): void {
    this.note('another copy of the database takes over');
    this.#loseDatabase(() => {
      this.#copyOfDatabase();
      this.failovers += 1;
      this.judge.failedOver();
    });
  }

  #jumpClock(): void {
    const store = this.#choice.of(this.#livingStores);
    if (store === undefined) return;
    const ms = (this.#choice.below(12) - 6) * 3_600_000;
    this.#fault(`the clock of ${store.process.name} jumps by ${ms / 3_600_000} h`, 0, () => {
      store.process.wallAheadMs = ms;
    });
  }

  #copy(): void {
    this.#secondAgo = this.#halfAgo;
    this.#halfAgo = this.redis.copy();
    this.#copyOfDatabase = this.database.copy();
    this.time.after(500, () => this.#copy());
  }
}

const upsert = (id: string, type: string, set: JsonObject): Operation & { readonly target: { readonly id: string } } => ({
  ...{ op: 'update', target: { id }, set, ifMissing: { type, id, scope: SCOPE } },
});

/** The events of a simulated history: clients write, processes and servers fail, a tenant moves. */
import { MAIN } from '@polyedge/contracts/journal';
import { Chance } from '@polyedge/simulation/virtual-time';
import { type SimulatedClient, WritingClient } from './clients.ts';
import type { EdgeProcess } from './edge-process.ts';
import type { Mover } from './mover.ts';
import type { MovingGroups } from './moving-groups.ts';
import { FAULTS, type Fault } from './parts.ts';
import type { Products } from './products.ts';
import { SagaClient } from './saga-clients.ts';
import { FAR_TENANT } from './settings.ts';
import { StoreProcess } from './store-process.ts';
import type { Servers, Surroundings } from './surroundings.ts';

/** What a fault may cost a group: its last confirmations; with its working copies, all that the store had not heard of; or nothing. */
type Cost = 'last' | 'copies' | 'nothing';

/** The parts of a system that events act on. */
export interface System extends Surroundings {
  failovers: number;
  readonly clients: readonly SimulatedClient[];
  readonly livingEdges: readonly EdgeProcess[];
  readonly livingStores: readonly StoreProcess[];
  readonly journals: readonly Servers[];
  readonly products: Products;
  /** Undefined if there is one journal. */
  readonly far:
    | { readonly servers: Servers; readonly tenant: Surroundings; readonly mover: Mover; readonly groups: MovingGroups }
    | undefined;
  startStore(journal: string): void;
  startEdge(): void;
}

/** The percentages of events that are requests of clients, and writes to products; the others are faults. */
const WRITES = 32;
const PRODUCTS = 16;
const KINDS = (Object.keys(FAULTS) as Fault[]).flatMap((fault) => Array.from({ length: FAULTS[fault] }, () => fault));
const faultAt = (pick: number): Fault => KINDS[pick - WRITES - PRODUCTS] ?? 'move or failover';

export class SystemEvents {
  readonly #world: System;
  readonly #seed: number;
  readonly #kinds: ReadonlySet<Fault>;
  readonly #failures: Readonly<Record<Fault, () => void>> = {
    'network lost': () => this.#loseNetwork(),
    'reading stops': () => this.#client('stops reading', 0, (client) => client.read(false)),
    'reading goes on': () => this.#client('reads again', 0, (client) => client.read(true)),
    'breaking off': () => this.#client('breaks off', 0, (client) => client.breakOff(this.#choice.percent(30))),
    'edge killed': () => this.#stop('edge'),
    'store killed': () => this.#stop('store'),
    'edge frozen': () => this.#freeze(this.#world.livingEdges),
    'store frozen': () => this.#freeze(this.#world.livingStores),
    'bus broken': () => this.#breakBus(),
    'NATS restarts': () => this.#fault('NATS restarts', 1000, () => this.#world.nats.restart(this.#choice.below(1000))),
    'Redis away': () => this.#loseRedis(),
    'Redis wiped': () => this.#redisForgets('is wiped', ({ redis }) => redis.wipe()),
    'Redis set back': () => this.#redisForgets('loses its last second', ({ journal }) => this.#secondAgo(journal)),
    'database away': () => this.#loseDatabase(() => {}),
    'clock jumps': () => this.#jumpClock(),
    'move or failover': () => {
      if (this.#world.far !== undefined) this.#move();
      else if (this.#choice.percent(25)) this.#failOver();
    },
  };
  #choice = new Chance(0);
  /** Restores a journal's Redis to an earlier state. */
  #secondAgo: (journal: string) => void = () => {};
  #halfAgo: (journal: string) => void = () => {};
  #copyOfDatabase: () => void = () => {};
  #faults = 0;

  /** @param kinds of faults that occur */
  constructor(world: System, seed: number, kinds: ReadonlySet<Fault>) {
    this.#world = world;
    this.#seed = seed;
    this.#kinds = kinds;
  }

  /** The number of faults so far. */
  get faults(): number {
    return this.#faults;
  }

  /** The random choices of the last event. */
  get choice(): Chance {
    return this.#choice;
  }

  /** Carries out the event of a number. Each has random choices of its own, so leaving one out does not change the others. */
  happen(event: number): void {
    this.#choice = new Chance(Math.imul(this.#seed, 0x9e3779b1) ^ Math.imul(event + 1, 0x85ebca6b));
    this.#something();
  }

  #something(): void {
    let pick = this.#choice.below(100);
    if (pick < WRITES) this.#write();
    else if (pick < WRITES + PRODUCTS) this.#world.products.write(this.#choice);
    else {
      let fault = faultAt(pick);
      // With fewer kinds of faults there are as many faults.
      for (; !this.#kinds.has(fault); fault = faultAt(pick)) pick = WRITES + PRODUCTS + this.#choice.below(100 - WRITES - PRODUCTS);
      this.#failures[fault]();
    }
  }

  #someClient<Client extends SimulatedClient>(kind: abstract new (...args: never[]) => Client): Client | undefined {
    return this.#choice.of(this.#world.clients.filter((client): client is Client => client instanceof kind));
  }

  #write(): void {
    const writer = this.#someClient(WritingClient);
    const count = 1 + this.#choice.below(4);
    if (writer === undefined) return;
    this.#world.note(`${writer.name} sends ${count} requests`);
    writer.write(count);
  }

  /** @param cost for the groups of the tenant that moves; a journal's own judge excuses repeats after any fault */
  #fault(what: string, ms: number, happen: () => void, cost: Cost = 'last'): void {
    const { far, journals, time } = this.#world;
    this.#faults += 1;
    this.#world.note(ms === 0 ? what : `${what} for ${ms} ms`);
    for (const { judge } of journals) judge.fault(time.now, time.now + ms);
    if (cost === 'last') far?.groups.fault(time.now, time.now + ms);
    else if (cost === 'copies') far?.groups.lostCopies(time.now, time.now + ms);
    happen();
  }

  #client(what: string, ms: number, happen: (client: SimulatedClient) => void): void {
    const client = this.#choice.of(this.#world.clients);
    if (client !== undefined) this.#fault(`${client.name} ${what}`, ms, () => happen(client));
  }

  /** A client that resumes its session elsewhere. */
  #loseNetwork(): void {
    const player = this.#someClient(SagaClient);
    if (player !== undefined) this.#fault(`${player.name} loses its network`, 0, () => player.breakOff(this.#choice.percent(50)));
  }

  /** Kills a process, or stops it in good order; another one takes its place. */
  #stop(kind: 'edge' | 'store'): void {
    const stopped = this.#choice.of<EdgeProcess | StoreProcess>(kind === 'edge' ? this.#world.livingEdges : this.#world.livingStores);
    if (stopped === undefined) return;
    this.#fault(`${stopped.process.name} is killed`, 0, () => stopped.kill(), costOf(stopped));
    this.#world.time.after(this.#choice.below(3000), () => {
      if (stopped instanceof StoreProcess) this.#world.startStore(stopped.journal);
      else this.#world.startEdge();
    });
  }

  #freeze(processes: readonly (EdgeProcess | StoreProcess)[]): void {
    const frozen = this.#choice.of(processes);
    const ms = this.#choice.below(this.#choice.percent(50) ? 1000 : 12_000);
    if (frozen !== undefined) this.#fault(`${frozen.process.name} stands still`, ms, () => frozen.process.freeze(ms), costOf(frozen));
  }

  #breakBus(): void {
    const one = this.#choice.of<EdgeProcess | StoreProcess>([...this.#world.livingEdges, ...this.#world.livingStores]);
    if (one === undefined) return;
    const ms = this.#choice.below(15_000);
    if (this.#choice.percent(60)) this.#fault(`${one.process.name} loses its connection to NATS`, 0, () => one.bus.link.cut(), costOf(one));
    else this.#fault(`nothing passes between ${one.process.name} and NATS`, ms, () => one.bus.link.silence(ms), costOf(one));
  }

  #loseRedis(): void {
    const ms = this.#choice.below(6000);
    const edge = this.#choice.of(this.#world.livingEdges);
    const { redis, journal } = this.#someJournal;
    if (edge === undefined || this.#choice.percent(50))
      this.#fault(
        `Redis of ${journal} is away`,
        ms,
        () => {
          redis.awayUntil = Math.max(redis.awayUntil, this.#world.time.now + ms);
          this.#world.time.after(ms, () => this.#redisIsBack(journal));
        },
        'copies',
      );
    else this.#fault(`${edge.process.name} cannot reach Redis of ${journal}`, ms, () => edge.groups.in(journal)?.losesRedis(ms), 'copies');
  }

  #redisForgets(what: string, change: (servers: Servers) => void): void {
    const servers = this.#someJournal;
    const forget = (): void => {
      change(servers);
      this.#redisIsBack(servers.journal);
    };
    this.#fault(`Redis of ${servers.journal} ${what}`, 0, forget, 'copies');
  }

  #redisIsBack(journal: string): void {
    for (const edge of this.#world.livingEdges)
      edge.process.after(this.#world.chance.below(100), () => edge.groups.in(journal)?.reconnected());
  }

  get #someJournal(): Servers {
    return this.#choice.of(this.#world.journals) ?? this.#world;
  }

  /** Moves the tenant to the other journal, or resumes a move that was interrupted. */
  #move(): void {
    if (this.#world.far === undefined) return;
    const { tenant, servers, mover } = this.#world.far;
    const target = tenant.journal === MAIN ? servers : this.#world;
    const steps = this.#choice.percent(30) ? this.#choice.below(12) : 1000;
    const end = steps < 1000 ? `, and the program ends after ${steps} steps` : '';
    this.#fault(`${FAR_TENANT} is moved to ${target.journal}${end}`, 0, () => mover.begin(target, steps), 'nothing');
  }

  #loseDatabase(change: () => void): void {
    const ms = this.#choice.below(3000);
    const servers = this.#someJournal;
    const lose = (): void => {
      servers.database.disconnect();
      change();
      servers.databaseAwayUntil = Math.max(servers.databaseAwayUntil, this.#world.time.now + ms);
      for (const store of this.#world.livingStores) if (store.journal === servers.journal) store.databaseLost();
    };
    this.#fault(`the database of ${servers.journal} is away`, ms, lose, 'nothing');
  }

  /** Fails over to a copy of the database that is up to a second behind. */
  #failOver(): void {
    this.#world.note('another copy of the database takes over');
    this.#loseDatabase(() => {
      this.#copyOfDatabase();
      this.#world.failovers += 1;
      this.#world.judge.failedOver();
    });
  }

  #jumpClock(): void {
    const store = this.#choice.of(this.#world.livingStores);
    if (store === undefined) return;
    const ms = (this.#choice.below(12) - 6) * 3_600_000;
    const jump = (): void => {
      store.process.wallAheadMs = ms;
    };
    this.#fault(`the clock of ${store.process.name} jumps by ${ms / 3_600_000} h`, 0, jump, 'nothing');
  }

  /** From now on, keeps copies of the servers for failovers. */
  copy(): void {
    if (!this.#kinds.has('Redis set back') && !this.#kinds.has('move or failover')) return;
    this.#secondAgo = this.#halfAgo;
    const copies = new Map(this.#world.journals.map(({ journal, redis }) => [journal, redis.copy()]));
    this.#halfAgo = (journal) => copies.get(journal)?.();
    // There are no failovers in a system with a tenant that moves.
    if (this.#world.far === undefined) this.#copyOfDatabase = this.#world.database.copy();
    this.#world.time.after(500, () => this.copy());
  }
}

/** What the failure of a process costs: groups are served by edges. */
const costOf = (one: EdgeProcess | StoreProcess): Cost => (one instanceof StoreProcess ? 'nothing' : 'last');

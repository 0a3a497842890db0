/**
 * A whole system in one process, from one seed: clients, edges and stores with their real sessions, drivers and machines, on virtual time and on models
 * of NATS, Redis and PostgreSQL. Processes are suspended, stopped and killed, messages and answers are lost, servers restart and lose data.
 */
import { MAIN } from '@polyedge/contracts/journal';
import type { PositionsModel } from '@polyedge/journal/testing/positions-model';
import { NatsModel } from '@polyedge/simulation/nats-model';
import { Chance, VirtualTime } from '@polyedge/simulation/virtual-time';
import type { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import { GroupTokens, Member, type SimulatedClient, Watcher, Writer, WritingClient } from './clients.ts';
import { EdgeProcess } from './edge-process.ts';
import { newServers, type Place, SeenFrom } from './journals.ts';
import type { Judge } from './judge.ts';
import { LiveQuery } from './live-queries.ts';
import { Mover } from './mover.ts';
import { MovingGroups } from './moving-groups.ts';
import { isPart, type Part, type Parts, partsOf } from './parts.ts';
import type { SystemBug } from './planted.ts';
import { Products } from './products.ts';
import type { RedisModel } from './redis-model.ts';
import { SagaClient } from './saga-clients.ts';
import { FAR_JOURNAL, FAR_TENANT, TENANT, TYPES } from './settings.ts';
import { StoreProcess } from './store-process.ts';
import type { Directory, Servers, Surroundings } from './surroundings.ts';
import { type System, SystemEvents } from './system-events.ts';

export interface SystemHistory {
  readonly seed: number;
  /** The number of events. Each depends on the seed and its number alone. */
  readonly events: number;
  /** The events to carry out; default all. */
  readonly kept?: readonly number[];
  /** Everything takes part, whatever the seed says. */
  readonly whole?: boolean;
  readonly bug?: SystemBug;
}

/** The result of a history: its problem, if any, and its counts. */
export interface SystemTold {
  readonly problem: string | undefined;
  readonly timeline: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  /** The fingerprint of everything that happened (`VirtualTime`). */
  readonly fingerprint: number;
}

const GROUPS = ['one', 'two'] as const;
const FAR_GROUPS = ['far'] as const;
const KEPT_LINES = 400;
/** After the last fault, everything must be delivered within this time. */
const PROGRESS_MS = 30_000;
/** Percentage of answers that are lost while there are faults. */
const LOST_ANSWERS = 3;

/** The second journal, and the tenant that starts there. */
interface Far {
  readonly servers: Servers;
  readonly journal: Surroundings;
  readonly tenant: Surroundings;
  readonly mover: Mover;
  /** The tenant's groups, judged across its moves. */
  readonly groups: MovingGroups;
}

export class SystemWorld implements System {
  readonly time = new VirtualTime();
  readonly chance: Chance;
  readonly nats: NatsModel;
  readonly journal = MAIN;
  readonly redis: RedisModel;
  readonly database: DatabaseModel;
  readonly positions: PositionsModel;
  readonly judge: Judge;
  readonly bug: SystemBug | undefined;
  readonly directory: Directory = { version: 1, placements: new Map() };
  readonly tenant = TENANT;
  readonly moves = 0;
  databaseAwayUntil = 0;
  lostAnswers = LOST_ANSWERS;
  failovers = 0;
  readonly far: Far | undefined;
  readonly isSlow: boolean;
  readonly products: Products;
  readonly #parts: Parts;
  readonly clients: SimulatedClient[] = [];
  readonly #events: SystemEvents;
  readonly #history: SystemHistory;
  readonly #edges: EdgeProcess[] = [];
  readonly #stores: StoreProcess[] = [];
  readonly #timeline: string[] = [];
  #count = 0;
  #steps = 0;

  constructor(history: SystemHistory) {
    this.#history = history;
    this.bug = history.bug;
    this.chance = new Chance(history.seed);
    this.nats = new NatsModel(this.time, () => this.chance.next());
    this.#parts = partsOf(history.seed, history.whole === true);
    let place: Place | undefined;
    const moving = this.#parts.hasTwoJournals
      ? new MovingGroups(FAR_TENANT, this.#groupsOf(FAR_GROUPS), () => place?.servers ?? this)
      : undefined;
    const servers = newServers(MAIN, this.time, this.bug, { tenant: TENANT, names: this.#groupsOf(GROUPS) }, moving);
    ({ database: this.database, positions: this.positions, judge: this.judge, redis: this.redis } = servers);
    this.#events = new SystemEvents(this, history.seed, this.#parts.faults);
    this.isSlow = this.#parts.isSlow;
    this.products = new Products(this, () => this.livingEdges);
    if (moving === undefined) return;
    place = this.#placeOfFar(moving);
    this.far = this.#secondJournal(place, moving);
  }

  /** The groups among these that take part. */
  #groupsOf(names: readonly Part[]): Part[] {
    return names.filter((name) => this.#parts.parts.has(name));
  }

  #placeOfFar(groups: MovingGroups): Place {
    const servers = newServers(FAR_JOURNAL, this.time, this.bug, { tenant: FAR_TENANT, names: groups.names }, groups);
    return { tenant: FAR_TENANT, servers, moves: 0 };
  }

  #secondJournal(place: Place, groups: MovingGroups): Far {
    const { servers } = place;
    this.directory.placements.set(FAR_TENANT, { journal: FAR_JOURNAL, since: this.directory.version });
    this.database.away.set(FAR_TENANT, 'left');
    servers.database.away.set(TENANT, 'left');
    const journal = new SeenFrom(this, { tenant: FAR_TENANT, servers, moves: 0 });
    return { servers, journal, tenant: new SeenFrom(this, place), mover: new Mover(this, place, groups), groups };
  }

  get tenants(): readonly string[] {
    return this.far === undefined ? [TENANT] : [TENANT, FAR_TENANT];
  }

  at(journal: string): Surroundings {
    return journal === FAR_JOURNAL && this.far !== undefined ? this.far.journal : this;
  }

  of(tenant: string): Surroundings {
    return tenant === FAR_TENANT && this.far !== undefined ? this.far.tenant : this;
  }

  get journals(): readonly Servers[] {
    return this.far === undefined ? [this] : [this, this.far.servers];
  }

  get #problem(): string | undefined {
    return this.judge.problem ?? this.far?.servers.judge.problem ?? this.far?.groups.problem;
  }

  note(line: string): void {
    this.#timeline.push(`${Math.floor(this.time.now)} ms: ${line}`);
    if (this.#timeline.length > KEPT_LINES) this.#timeline.shift();
  }

  async run(): Promise<SystemTold> {
    this.#events.copy();
    const { edges, stores, pausesMs } = this.#parts;
    for (let at = 0; at < Math.max(edges, stores); at += 1) {
      if (at < stores) for (const { journal } of this.journals) this.startStore(journal);
      if (at < edges) this.startEdge();
    }
    this.#openClients();
    this.#steps += await this.time.runSettled(1500);
    const { events, kept } = this.#history;
    for (const event of kept ?? Array.from({ length: events }, (_, at) => at)) {
      this.#events.happen(event);
      this.#steps += await this.time.runSettled(this.#events.choice.of(pausesMs) ?? 0);
      this.#look();
      if (this.#problem !== undefined) break;
    }
    if (this.#problem === undefined) await this.#settle();
    const moves = this.far?.tenant.moves ?? 0;
    return {
      problem: this.#problem,
      timeline: this.#timeline,
      counts: { ...this.#counts, steps: this.#steps, faults: this.#events.faults, moves },
      fingerprint: this.time.fingerprint,
    };
  }

  get #counts(): Record<string, number> {
    const sums: Record<string, number> = { repeats: 0 };
    for (const { judge } of this.journals)
      for (const [name, count] of Object.entries({ ...judge.counts, repeats: judge.repeats })) sums[name] = (sums[name] ?? 0) + count;
    return sums;
  }

  /** Ends all faults; then everything that was written must reach everybody. */
  async #settle(): Promise<void> {
    this.note('nothing fails any more');
    this.lostAnswers = 0;
    for (const servers of this.journals) {
      servers.databaseAwayUntil = 0;
      servers.redis.awayUntil = 0;
      for (const edge of this.livingEdges) edge.groups.in(servers.journal)?.reach();
    }
    for (const client of this.clients) client.read(true);
    for (const edge of this.livingEdges) edge.notice();
    for (const { process, bus } of [...this.livingEdges, ...this.livingStores]) {
      process.goOn();
      if (bus.link.silentUntil > this.time.now) bus.link.cut();
    }
    const begin = this.time.now;
    do {
      await this.#until(begin + PROGRESS_MS / 2);
      this.#steps += await this.time.runSettled(1000);
    } while (this.#pendingWatches > 0 && this.time.now < begin + PROGRESS_MS / 2);
    // Everybody must receive what is written now.
    if (this.#pendingWatches > 0) this.judge.wrong(`no progress: ${this.#pendingWatches} watches have not begun`);
    this.products.writeOne(this.#events.choice);
    for (const tenant of this.tenants) for (const type of TYPES) this.products.writeMarker(tenant, type, this.#events.choice);
    for (const client of this.clients) if (client instanceof WritingClient) client.write(3);
    this.#steps += await this.time.runSettled(100);
    const missing = await this.#until(begin + PROGRESS_MS);
    if (missing !== undefined) this.judge.wrong(`no progress: ${missing}`);
  }

  /** Lets time pass until nothing is missing, at most until `end`. @returns what is missing */
  async #until(end: number): Promise<string | undefined> {
    for (;;) {
      let missing: string | undefined;
      for (const { judge } of this.journals) missing ??= judge.missingInGroups();
      missing ??= this.far?.groups.missing();
      for (const part of [...this.clients, ...this.livingEdges]) missing ??= part.missing();
      if (missing === undefined || this.time.now >= end || this.#problem !== undefined) return missing;
      this.#steps += await this.time.runSettled(250);
      this.#look();
    }
  }

  /** Checks what must hold at every moment. */
  #look(): void {
    for (const { judge } of this.journals) judge.positions();
    this.far?.groups.positions();
    for (const { feed, process } of this.livingEdges) {
      for (const { stats } of feed.open.values())
        if (stats.stagedBytes > 64 * 1024 * 1024 || stats.pending > 200_000) this.judge.wrong(`${process.name} stages more than it may`);
    }
    for (const { waitingRequests, process } of this.#stores)
      if (waitingRequests > 4000) this.judge.wrong(`${waitingRequests} requests wait at ${process.name}`);
  }

  get #pendingWatches(): number {
    return this.livingEdges.reduce((sum, { pendingWatches }) => sum + pendingWatches, 0);
  }

  // ---- participants

  get livingEdges(): EdgeProcess[] {
    return this.#edges.filter(({ process }) => !process.isDead);
  }

  get livingStores(): StoreProcess[] {
    return this.#stores.filter(({ process }) => !process.isDead);
  }

  #newName(kind: string): string {
    this.#count += 1;
    return `${kind}${this.#count}`;
  }

  startStore(journal: string): void {
    const store = new StoreProcess(this.at(journal), this.#newName(journal === MAIN ? 'store' : `${journal} store`));
    this.#stores.push(store);
    this.note(`${store.process.name} starts`);
  }

  startEdge(): void {
    const edge = new EdgeProcess(this, this.#newName('edge'), this.#parts.parts.has('bridge'));
    this.#edges.push(edge);
    this.note(`${edge.process.name} starts`);
  }

  #openClients(): void {
    const edges = (): EdgeProcess[] => this.livingEdges;
    const members = (world: Surroundings, group: string): SimulatedClient[] => {
      const shared = new GroupTokens(group);
      return ['member', 'second'].map((name) => new Member(world, `${name} of ${group}`, edges, group, shared));
    };
    const clients: SimulatedClient[] = [
      new Watcher(this, 'watcher', edges, [TYPES, TYPES.slice(0, 1)], false),
      new Watcher(this, 'delta watcher', edges, [TYPES.slice(0, 1)], true),
      ...this.#groupsOf(GROUPS).flatMap((group) => members(this, group)),
      new Writer(this, 'writer', edges),
      new Writer(this, 'other', edges),
      new SagaClient(this, 'player', edges),
      new SagaClient(this, 'other player', edges),
      new LiveQuery(this, 'query', edges, 3, 4),
      new LiveQuery(this, 'short query', edges, 0, 2),
    ];
    const far = this.far?.tenant;
    if (far !== undefined)
      clients.push(
        new Watcher(far, 'far watcher', edges, [TYPES], false),
        ...this.#groupsOf(FAR_GROUPS).flatMap((group) => members(far, group)),
        new Writer(far, 'far writer', edges),
        new LiveQuery(far, 'far query', edges, 3, 4),
      );
    for (const client of clients) {
      if (isLeftOut(client.name, this.#parts)) continue;
      this.clients.push(client);
      client.connect();
    }
  }
}

/** Members and writers are not optional parts: they always take part. */
const isLeftOut = (name: string, { parts }: Parts): boolean => isPart(name) && !parts.has(name);

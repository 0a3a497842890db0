/** Clients of HIRO: watchers, members of groups, and writers. Everything that they receive is checked when it arrives. */
import type { FullChange } from '@polyedge/contracts/change';
import { toVertex } from '../../services/hiro-edge/src/protocol/element/vertex.ts';
import type { Api, EdgeProcess } from './edge-process.ts';
import { TOKEN } from './judge.ts';
import { GROUP_TYPES, TYPES } from './settings.ts';
import type { Surroundings } from './surroundings.ts';
import type { Opened, SimulatedWire, WireClient } from './wire.ts';

/** A client that is not connected after this time tries another edge. */
const CONNECT_MS = 4000;

/** A client that reconnects whenever its connection ends. */
export abstract class SimulatedClient implements WireClient {
  readonly name: string;
  protected readonly world: Surroundings;
  readonly #edges: () => readonly EdgeProcess[];
  #wire: SimulatedWire | undefined;
  #edge: EdgeProcess | undefined;
  #isOpen = false;
  #hasLeft = false;
  #attempts = 0;

  constructor(world: Surroundings, name: string, edges: () => readonly EdgeProcess[]) {
    this.world = world;
    this.name = name;
    this.#edges = edges;
  }

  protected abstract readonly api: Api;
  protected abstract readonly query: Readonly<Record<string, string>>;
  /** The socket is open. The client starts over, unless the session was resumed. */
  protected abstract begin(session: Opened): void;
  protected abstract heard(text: string): void;
  /** The socket has ended: the outcome of outstanding requests is unknown. */
  protected ended(): void {}
  /** What it should have received and has not; undefined if nothing is missing. */
  abstract missing(): string | undefined;

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether its edge knows the tenant's current journal, so that later requests are answered there. */
  protected get isSentHome(): boolean {
    return this.#edge?.knows(this.world) === true;
  }

  connect(): void {
    const edges = this.#edges();
    const edge = edges[this.world.chance.below(edges.length)];
    this.#attempts += 1;
    const attempt = this.#attempts;
    if (edge === undefined) {
      this.#again(500);
      return;
    }
    this.#edge = edge;
    const { api, query } = this;
    this.#wire = edge.connect({ api, query, tenant: this.world.tenant }, this, (session) => {
      if (attempt !== this.#attempts) return;
      this.#isOpen = true;
      this.begin(session);
    });
    this.world.time.after(CONNECT_MS, () => {
      if (attempt !== this.#attempts || this.#isOpen) return;
      this.#wire?.leave(false);
      this.closed();
    });
  }

  send(frame: object): void {
    this.#wire?.send(frame);
  }

  /** Stops or resumes reading. */
  read(isReading: boolean): void {
    this.#wire?.read(isReading);
  }

  /** The client loses its machine or its network, and reconnects with another socket. */
  breakOff(quietly: boolean): void {
    this.#wire?.leave(quietly);
    this.closed();
  }

  leave(): void {
    this.#hasLeft = true;
    this.#wire?.leave(false);
    this.#isOpen = false;
  }

  frame(text: string): void {
    if (!this.#hasLeft) this.heard(text);
  }

  closed(): void {
    if (this.#hasLeft) return;
    this.#isOpen = false;
    this.ended();
    this.#again(100 + this.world.chance.below(900));
  }

  #again(ms: number): void {
    this.#attempts += 1;
    const attempt = this.#attempts;
    this.world.time.after(ms, () => {
      if (attempt === this.#attempts && !this.#hasLeft) this.connect();
    });
  }
}

interface ShownEvent {
  readonly id: string;
  readonly nanotime: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const filterOf = (types: readonly string[]): string => `(|${types.map((type) => `(element.ogit/_type=${type})`).join('')})`;

/** A socket on events-ws without a group. Even if two of its filters overlap, it receives an event once. */
export class Watcher extends SimulatedClient {
  protected readonly api = 'events';
  protected readonly query: Readonly<Record<string, string>>;
  readonly #filters: readonly (readonly string[])[];
  readonly #delta: boolean;
  #last: number | undefined;
  /** Events of this socket can be judged: all are of one history. */
  #isJudged = true;
  #failovers = 0;
  #moves = 0;
  #beganAt = 0;
  /** Elements as folded from the deltas, for elements whose creation was received. */
  readonly #folded = new Map<string, Map<string, unknown>>();

  constructor(
    world: Surroundings,
    name: string,
    edges: () => readonly EdgeProcess[],
    filters: readonly (readonly string[])[],
    delta: boolean,
  ) {
    super(world, name, edges);
    this.#filters = filters;
    this.#delta = delta;
    this.query = delta ? { delta: 'true' } : {};
  }

  protected begin(): void {
    this.#last = undefined;
    this.#isJudged = !this.world.judge.isUndecided && this.isSentHome;
    this.#failovers = this.world.failovers;
    this.#moves = this.world.moves;
    this.#beganAt = this.world.time.now;
    this.#folded.clear();
    for (const [at, types] of this.#filters.entries())
      this.send({ type: 'register', args: { 'filter-id': `${at}`, 'filter-type': 'jfilter', 'filter-content': filterOf(types) } });
  }

  protected heard(text: string): void {
    const { judge, database } = this.world;
    const event: ShownEvent & { readonly error?: unknown } = JSON.parse(text);
    if (event.error !== undefined) return;
    const seq = event.nanotime;
    const change = database.journal[seq - 1];
    judge.counts.shown += 1;
    // After a move the session starts over; events that are still in flight may come from either journal.
    if (!this.#isJudged || this.#failovers !== this.world.failovers || this.#moves !== this.world.moves) {
      this.#last = seq;
      return;
    }
    if (change === undefined || change.id !== event.id) {
      judge.wrong(`${this.name} is shown ${seq} of ${event.id}, which never was`);
      return;
    }
    if (!this.#isMine(change)) judge.wrong(`${this.name} is shown ${seq}, which it did not ask for`);
    if (this.#last !== undefined) {
      if (seq <= this.#last) judge.wrong(`${this.name} is shown ${seq} after ${this.#last}`);
      const next = this.#nextAfter(this.#last);
      if (next !== undefined && next < seq) judge.wrong(`${this.name} is shown ${seq} after ${this.#last}, and never ${next}`);
    }
    this.#last = seq;
    if (this.#delta) this.#fold(change, event);
  }

  missing(): string | undefined {
    if (!this.isOpen) return `${this.name} is not connected`;
    const { judge } = this.world;
    const newest = this.#newest();
    if (newest === undefined || this.#last === newest) return undefined;
    // Changes from before the watch began are not shown.
    if (this.#last === undefined && judge.committedAt(newest) < this.#beganAt + 800) return undefined;
    return `${this.name} is at ${this.#last}, and ${newest} is committed`;
  }

  #isMine(change: FullChange): boolean {
    return change.tenant === this.world.tenant && this.#filters.some((types) => types.includes(change.type));
  }

  #nextAfter(seq: number): number | undefined {
    const { journal } = this.world.database;
    for (let at = seq; at < journal.length; at += 1) {
      const change = journal[at];
      if (change !== undefined && this.#isMine(change)) return change.seq;
    }
    return undefined;
  }

  #newest(): number | undefined {
    return this.world.database.journal.findLast((change) => this.#isMine(change))?.seq;
  }

  #fold(change: FullChange, { id, body }: ShownEvent): void {
    if (change.action === 'create') this.#folded.set(id, new Map());
    const folded = this.#folded.get(id);
    if (folded === undefined) return;
    for (const [name, value] of Object.entries(body)) {
      if (name.startsWith('-')) folded.delete(name.slice(1));
      else folded.set(name.slice(1), value);
    }
    const shown = Object.fromEntries([...folded].sort());
    const wanted = Object.fromEntries(Object.entries(toVertex(change.state)).sort());
    if (JSON.stringify(shown) !== JSON.stringify(wanted))
      this.world.judge.wrong(`${this.name}: the deltas up to ${change.seq} do not make ${id}`);
  }
}

/** The socket of a consumer group's member. */
export class Member extends SimulatedClient {
  protected readonly api = 'events';
  protected readonly query: Readonly<Record<string, string>>;
  readonly #group: string;
  readonly #shared: GroupTokens;

  constructor(world: Surroundings, name: string, edges: () => readonly EdgeProcess[], group: string, shared: GroupTokens) {
    super(world, name, edges);
    this.#group = group;
    this.#shared = shared;
    this.query = { groupId: group, offset: 'smallest' };
  }

  protected begin(): void {
    this.send({
      type: 'register',
      args: { 'filter-id': 'all', 'filter-type': 'jfilter', 'filter-content': filterOf(GROUP_TYPES) },
    });
  }

  protected heard(text: string): void {
    const event: ShownEvent & { readonly error?: unknown } = JSON.parse(text);
    if (event.error !== undefined) return;
    this.world.judge.received(this.#group, { seq: event.nanotime, id: event.id, version: Number(event.body['ogit/_v']) });
    this.#shared.received(event.body[TOKEN]);
  }

  missing(): string | undefined {
    if (!this.isOpen) return `${this.name} is not connected`;
    return this.#shared.missing(this.world);
  }
}

/** What the clients of one group have received, by the tokens of the writes, which stay the same when the group moves to another journal. */
export class GroupTokens {
  readonly #group: string;
  readonly #tokens = new Set<unknown>();

  constructor(group: string) {
    this.#group = group;
  }

  received(token: unknown): void {
    this.#tokens.add(token);
  }

  missing({ database, judge, tenant }: Surroundings): string | undefined {
    const lost = database.journal.find(
      (change) =>
        change.tenant === tenant &&
        TYPES.includes(change.type) &&
        !this.#tokens.has(change.state.attributes[TOKEN]) &&
        judge.committedAt(change.seq) >= judge.epochBeganAt,
    );
    return lost === undefined ? undefined : `no client of ${this.#group} has been shown ${lost.seq} of ${tenant}`;
  }
}

interface Asked {
  readonly kind: 'create' | 'update' | 'delete' | 'get';
  readonly token: string;
  readonly id: string | undefined;
  readonly atLeast: number;
  /** When the request was sent: what was received in another history does not count. */
  readonly failovers: number;
}

/** A client that writes on request. */
export abstract class WritingClient extends SimulatedClient {
  /** Sends several requests at once. */
  abstract write(count: number): void;
}

/** A socket on graph-ws that writes, and reads its own writes. */
export class Writer extends WritingClient {
  protected readonly api = 'graph';
  protected readonly query = {};
  readonly #asked = new Map<string, Asked>();
  readonly #mine: string[] = [];
  /** Versions that this socket has received, by element. */
  readonly #versions = new Map<string, number>();
  readonly #acknowledged = new Set<string>();
  #failovers = 0;
  #count = 0;

  protected begin(): void {}

  protected override ended(): void {
    this.#asked.clear();
    this.#versions.clear();
  }

  write(count: number): void {
    if (!this.isOpen) return;
    for (let left = count; left > 0; left -= 1) this.#write();
  }

  protected heard(text: string): void {
    const { judge } = this.world;
    const { id, error, body } = JSON.parse(text);
    const asked = this.#asked.get(String(id));
    if (asked === undefined) return;
    this.#asked.delete(String(id));
    if (error !== undefined || asked.failovers !== this.world.failovers) return;
    const version = Number(body?.['ogit/_v'] ?? 0);
    if (asked.kind === 'get') {
      if (version < asked.atLeast) judge.wrong(`${this.name} reads version ${version} of ${asked.id} after it was told ${asked.atLeast}`);
      return;
    }
    if (asked.kind !== 'delete') {
      judge.acknowledged(asked.token);
      this.#acknowledged.add(asked.token);
    }
    const element = String(body?.['ogit/_id'] ?? '');
    if (element === '') return;
    const known = this.#versions.get(element) ?? 0;
    if (version < known) judge.wrong(`${this.name}: version ${version} of ${element} is acknowledged after ${known}`);
    this.#versions.set(element, version);
    if (asked.kind === 'create') this.#mine.push(element);
  }

  missing(): string | undefined {
    if (!this.isOpen) return `${this.name} is not connected`;
    if (this.#asked.size > 0) return `${this.name} waits for ${this.#asked.size} answers`;
    if (this.world.failovers === 0) this.#lookAfterAcknowledged();
    return undefined;
  }

  /** Writes that were acknowledged in any journal must be in the tenant's current one. */
  #lookAfterAcknowledged(): void {
    const { judge } = this.world;
    for (const token of this.#acknowledged)
      if (!judge.hasTaken(token)) judge.wrong(`${token} was acknowledged, and is not where ${this.world.tenant} is now`);
  }

  #write(): void {
    const { chance } = this.world;
    this.#count += 1;
    const id = `${this.#count}`;
    const token = `${this.name}.${id}`;
    const { failovers } = this.world;
    if (failovers !== this.#failovers) this.#versions.clear();
    this.#failovers = failovers;
    const element = chance.of(this.#mine);
    const pick = chance.below(10);
    const kind = element === undefined || pick < 3 ? 'create' : pick < 7 ? 'update' : pick < 8 ? 'delete' : 'get';
    this.#asked.set(id, { kind, token, id: element, atLeast: this.#versions.get(element ?? '') ?? 0, failovers });
    if (kind === 'create')
      this.send({ id, type: kind, headers: { 'ogit/_type': chance.of(TYPES) ?? '' }, body: { [TOKEN]: token, '/size': chance.below(5) } });
    else if (kind === 'update') this.send({ id, type: kind, headers: { 'ogit/_id': element }, body: { [TOKEN]: token } });
    else {
      if (kind === 'delete') this.#mine.splice(this.#mine.indexOf(element ?? ''), 1);
      this.send({ id, type: kind, headers: { 'ogit/_id': element } });
    }
  }
}

/**
 * Moves a tenant between the journals of a simulated system, in the transactions of graph-store's program (`src/placing`, docs/adr/0032): copies its
 * data while it is written, fences it, copies the rest, reads its groups' positions from Redis, and decides. The program may end after any of these
 * steps; a decided move is then carried out by a replica.
 */
import { GROUP_TIMES } from '@polyedge/journal/groups/settings';
import type { Place } from './journals.ts';
import type { MovingGroups } from './moving-groups.ts';
import { PARTITIONS } from './settings.ts';
import type { Servers, Surroundings } from './surroundings.ts';

/** Changes in one piece; the last step begins when at most this many are left. */
const PIECE = 20;
const FENCE_MS = 3000;
/** After this time a replica finds a decided move and carries it out. */
const FOUND_MS = 500;
const AGAIN_MS = 300;

/** The state of a move in its target. */
interface Arrival {
  readonly source: Servers;
  readonly target: Servers;
  /** The newest change of the target when the move began: the position of a group that is before all copies. */
  readonly floor: number;
  readonly numbers: Map<number, number>;
  copied: number;
}

/** The working copy of a group's positions in the source's Redis. */
interface GroupCopy {
  readonly id: number;
  /** By partition. */
  readonly positions: ReadonlyMap<number, number>;
}

type Step = 'copy' | 'fence' | 'rest' | 'decide' | 'carry out';

export class Mover {
  readonly #world: Surroundings;
  readonly #place: Place;
  readonly #groups: MovingGroups;
  #arrival: Arrival | undefined;
  /** A run ends when the next one begins. */
  #run = 0;
  #fences = 0;
  #fence: 'none' | 'asked for' | 'in force' = 'none';
  /** The newest change of the source when it was fenced. */
  #fencedSeq = 0;
  #isDecided = false;
  /** By group name, as read before the decision; empty if Redis did not answer. */
  #copies: ReadonlyMap<string, GroupCopy> = new Map();
  /** Ids of the groups in the source, at the decision. */
  #departed: readonly number[] = [];
  /** Journals in which data of the tenant still has to be deleted. */
  readonly #left = new Set<Servers>();

  /** @param groups of the tenant */
  constructor(world: Surroundings, place: Place, groups: MovingGroups) {
    this.#world = world;
    this.#place = place;
    this.#groups = groups;
  }

  /** Begins a move, or resumes that of an earlier run. @param steps the program ends after this many */
  begin(target: Servers, steps: number): void {
    if (this.#isDecided) return;
    this.#run += 1;
    this.#arrival ??= { source: this.#place.servers, target, floor: target.database.seq, numbers: new Map(), copied: 0 };
    this.#later('copy', this.#run, steps);
  }

  #later(step: Step, run: number, steps: number, ms = 1 + this.#world.chance.below(30)): void {
    if (steps > 0) this.#world.time.after(ms, () => this.#do(step, run, steps));
  }

  #do(step: Step, run: number, steps: number): void {
    const { time } = this.#world;
    const arrival = this.#arrival;
    if (run !== this.#run || arrival === undefined) return;
    if (isAway(arrival, time.now) || this.#left.has(arrival.target)) {
      this.#later('copy', run, steps, AGAIN_MS);
      return;
    }
    const next = this.#next(step, arrival);
    if (next !== undefined) this.#later(next, run, steps - 1);
  }

  #next(step: Step, arrival: Arrival): Step | undefined {
    switch (step) {
      case 'copy':
        this.#copy(arrival);
        return arrival.source.database.seq - arrival.copied < PIECE ? 'fence' : 'copy';
      case 'fence':
        this.#raiseFence(arrival.source);
        return 'rest';
      case 'rest':
        // Batches that began before the fence must end first.
        if (this.#fence !== 'in force') return this.#fence === 'none' ? 'copy' : 'rest';
        this.#copy(arrival);
        if (arrival.copied < this.#fencedSeq) return 'rest';
        this.#copies = this.#copiesOf(arrival.source);
        return 'decide';
      case 'decide':
        return this.#decide(arrival) ? 'carry out' : 'copy';
      case 'carry out':
        this.#endLeases(
          arrival.source,
          [...this.#copies.values()].map(({ id }) => id),
        );
        this.#carryOut(arrival);
        return undefined;
    }
  }

  #copy(arrival: Arrival): void {
    const { database, judge } = arrival.target;
    const piece = arrival.source.database.pieceOf(this.#place.tenant, arrival.copied, PIECE);
    judge.committed(database.arrive(piece, arrival.numbers));
    arrival.copied = piece.upTo;
  }

  #raiseFence({ database }: Servers): void {
    const { tenant } = this.#place;
    this.#fences += 1;
    this.#fence = 'asked for';
    const fence = this.#fences;
    database.whenQuiet(() => {
      if (fence !== this.#fences) return;
      this.#fence = 'in force';
      this.#fencedSeq = database.seq;
      database.away.set(tenant, 'moving');
      this.#world.time.after(FENCE_MS, () => {
        if (fence !== this.#fences) return;
        this.#fence = 'none';
        database.away.delete(tenant);
      });
    });
  }

  #copiesOf({ redis, database, positions }: Servers): ReadonlyMap<string, GroupCopy> {
    if (redis.isAway) return new Map();
    const groups = redis.groups(database.epoch);
    return new Map(
      this.#groups.names.flatMap((name) => {
        const id = positions.idOf(name);
        return id === undefined ? [] : [[name, { id, positions: groups.positions(id, PARTITIONS) }] as const];
      }),
    );
  }

  /** Owners that do not know of the decision cannot renew their leases. */
  #endLeases({ redis, database }: Servers, groups: readonly number[]): void {
    if (redis.isAway) return;
    for (const group of groups) redis.groups(database.epoch).endLeases(group);
  }

  /** Deletes the tenant's data in the source, once no owner can deliver any of it. */
  #remove(source: Servers, groups: readonly number[]): void {
    const { redis, database } = source;
    const mayHaveOwners = redis.isAway || groups.map((group) => redis.groups(database.epoch).endLeases(group)).includes(true);
    this.#world.time.after(mayHaveOwners ? GROUP_TIMES.termMs : 0, () => {
      if (!redis.isAway) for (const group of groups) redis.groups(database.epoch).remove(group);
      database.remove(this.#place.tenant);
      this.#left.delete(source);
    });
  }

  /** @returns false if the fence had expired */
  #decide(arrival: Arrival): boolean {
    const { tenant } = this.#place;
    const { source } = arrival;
    if (this.#fence !== 'in force') return false;
    // The fence is permanent now.
    this.#fence = 'none';
    this.#fences += 1;
    source.database.away.set(tenant, 'left');
    this.#isDecided = true;
    this.#departed = this.#groups.names.flatMap((name) => source.positions.idOf(name) ?? []);
    for (const group of this.#groups.names) {
      const positions = source.positions.leave(group);
      const copies = this.#copies.get(group)?.positions;
      if (positions !== undefined)
        arrival.target.positions.arrive(
          group,
          positions.map((position, partition) => this.#arrived(Math.max(position, copies?.get(partition) ?? 0), arrival)),
        );
    }
    source.judge.departed(tenant, this.#groups.names);
    this.#groups.departed(source.journal, this.#world.time.now);
    this.#place.servers = arrival.target;
    this.#place.moves += 1;
    this.#world.note(`${tenant} is in ${arrival.target.journal}: decided`);
    this.#foundLater(arrival);
    return true;
  }

  /** The position in the target at which a group continues. */
  #arrived(position: number, arrival: Arrival): number {
    if (this.#world.bug === 'groups-begin-anew') return arrival.floor;
    if (this.#world.bug === 'groups-skip-what-is-open') return arrival.target.database.seq;
    return atOrBefore(position, arrival);
  }

  #foundLater(arrival: Arrival): void {
    const { time } = this.#world;
    time.after(FOUND_MS, () => {
      if (isAway(arrival, time.now)) this.#foundLater(arrival);
      else this.#carryOut(arrival);
    });
  }

  #carryOut(arrival: Arrival): void {
    if (this.#arrival !== arrival) return;
    const { tenant } = this.#place;
    const { directory } = this.#world;
    arrival.target.database.away.delete(tenant);
    directory.version += 1;
    directory.placements.set(tenant, { journal: arrival.target.journal, since: directory.version });
    this.#left.add(arrival.source);
    this.#remove(arrival.source, this.#departed);
    this.#arrival = undefined;
    this.#isDecided = false;
    this.#world.note(`${tenant} is served in ${arrival.target.journal}`);
  }
}

const isAway = ({ source, target }: Arrival, now: number): boolean => Math.max(source.databaseAwayUntil, target.databaseAwayUntil) > now;

/** Translates a position of the source: the target's seq of the tenant's last change at or before it. */
function atOrBefore(position: number, { numbers, floor }: Arrival): number {
  let found = floor;
  for (const [was, now] of numbers) {
    if (was > position) break;
    found = now;
  }
  return found;
}

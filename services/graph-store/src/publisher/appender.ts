/**
 * Keeps the hot journal in Redis: the holder of the lease appends every change to its partition, in order. Redis never delays NATS: this has a
 * cursor of its own, waits for Redis as long as it takes, and writes a partition anew from PostgreSQL when Redis does not have what it should
 * (wiped, restored, lost its last second).
 */
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { partitionOf, slotOf } from '../core/slot.ts';
import { ask, type PartitionRun, type PartitionState, type Procedure } from './messages.ts';
import type { Recent } from './recent.ts';
import { HEAD_EVERY, HOT_CHANGES, REDIS_RETRY_MS, RUN_CHANGES, UNREADABLE_MS, VERIFY_MS } from './settings.ts';
import type { PublisherState, Term } from './term.ts';

/** Why work on Redis ends before its end: it failed, or `again`: the partitions have to be claimed again. */
type Stopped = Failure | 'again';

export class Appender {
  readonly #state: PublisherState;
  readonly #partitions: number;
  #term: Term | undefined;
  /** What Redis holds, by partition; undefined until all are claimed. */
  #states: PartitionState[] | undefined;
  /** Every change up to here is in Redis. */
  #cursor = 0;
  #isBusy = false;
  /** When Redis is tried again after a failure, or looked at when nothing is appended. */
  #nextAt = 0;
  /** When changes are looked for again that are known and could not be read. */
  #readAt = Number.NEGATIVE_INFINITY;
  #failing = false;
  #hasOthers = true;

  constructor(state: PublisherState, partitions: number) {
    this.#state = state;
    this.#partitions = partitions;
  }

  /** Begins to write under the fence of a term. Its procedures are the term's. */
  begin(term: Term): void {
    this.#term = term;
    this.#states = undefined;
    this.#isBusy = false;
    this.#nextAt = this.#state.at;
    this.#failing = false;
    this.#hasOthers = true;
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  end(): void {
    this.#term = undefined;
  }

  /** When it wants to be pumped at the latest. */
  get deadline(): number {
    if (this.#term === undefined || this.#isBusy) return Number.POSITIVE_INFINITY;
    return this.#isBehind ? Math.min(this.#readAt, this.#nextAt) : this.#nextAt;
  }

  pump(): void {
    const { at, procedures } = this.#state;
    const term = this.#term;
    if (term === undefined || this.#isBusy) return;
    if (this.#isBehind && at >= this.#readAt) procedures.start(this.#work(this.#append(term)), term);
    else if (at >= this.#nextAt) procedures.start(this.#work(this.#states === undefined ? this.#connect(term) : this.#verify(term)), term);
  }

  /** Redis takes changes, and there are some that it does not have. */
  get #isBehind(): boolean {
    return this.#states !== undefined && this.#state.known > this.#cursor;
  }

  /** One piece of work at a time. */
  *#work(work: Procedure<Stopped | undefined>): Procedure {
    const state = this.#state;
    this.#isBusy = true;
    const stopped = yield* work;
    this.#isBusy = false;
    this.#nextAt = state.at + VERIFY_MS;
    if (stopped === undefined) return;
    this.#states = undefined;
    this.#nextAt = state.at;
    if (stopped === 'again') return;
    this.#nextAt = state.at + REDIS_RETRY_MS;
    state.appenderStats.failures += 1;
    if (!this.#failing) state.note('warn', `Redis does not take changes; they wait in PostgreSQL: ${stopped.detail ?? stopped.code}`);
    this.#failing = true;
  }

  /** Takes every partition over and rebuilds those that nobody wrote. */
  *#connect(term: Term): Procedure<Stopped | undefined> {
    const { epoch, fence } = term;
    const pinged = yield* ask({ call: 'ping' });
    if (!pinged.ok) return pinged.failure;
    if (!term.witnessed) {
      // What Redis holds has to be compared with the journal before anything is appended to it.
      this.#state.unsettled = true;
      return undefined;
    }
    const states: PartitionState[] = [];
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const claimed = yield* ask({ call: 'claim', epoch, partition, fence });
      if (!claimed.ok) return claimed.failure;
      const { value } = claimed;
      if (value.is === 'fenced') {
        // Whoever wrote Redis under a higher fence than a lease that is held has seen a newer database than this one.
        this.#state.fenceMet = Math.max(this.#state.fenceMet, value.fence);
        this.#state.unsettled = true;
        return undefined;
      }
      const rebuilt = value.generation === 0 ? yield* this.#rebuild(term, partition, 0) : done(value);
      if (!rebuilt.ok) return rebuilt.failure;
      if (rebuilt.value === 'again') return 'again';
      states.push(rebuilt.value);
    }
    this.#cursor = Math.min(...states.map(({ head }) => head));
    if (this.#hasOthers) {
      const dropped = yield* ask({ call: 'drop-other-epochs', epoch });
      if (!dropped.ok) return dropped.failure;
      this.#hasOthers = false;
    }
    if (this.#failing) this.#state.note('info', 'Redis takes changes again');
    this.#failing = false;
    this.#states = states;
    return undefined;
  }

  /** Writes a partition anew, under the generation after the given one. */
  *#rebuild({ epoch, fence }: Term, partition: number, before: number): Procedure<Outcome<PartitionState | 'again'>> {
    const state = this.#state;
    state.appenderStats.rebuilt += 1;
    const newest = yield* ask({ call: 'newest' });
    if (!newest.ok) return newest;
    const head = newest.value;
    const since = Math.max(0, head - HOT_CHANGES);
    const generation = before + 1;
    const cleared = yield* ask({ call: 'clear', epoch, partition, fence, generation });
    if (!cleared.ok) return cleared;
    if (cleared.value === 'forgot') return FORGOT;
    if (cleared.value === 'fenced') return done('again');
    let last = 0;
    for (;;) {
      const after = Math.max(last, since);
      const page = yield* ask({ call: 'partition', partition, after, upTo: head, limit: state.pageSize.limit });
      if (!page.ok) return page;
      const tail = page.value.at(-1);
      if (tail === undefined) break;
      const changes = state.read(page.value);
      const filled = yield* ask({ call: 'fill', epoch, partition, fence, generation, after, changes });
      if (!filled.ok) return filled;
      if (filled.value === 'forgot') return FORGOT;
      if (filled.value === 'fenced') return done('again');
      last = tail.seq;
    }
    // Asked last: what has gone meanwhile may be in the log, and what went before is not. A group that is further back has to be told.
    const oldest = yield* ask({ call: 'oldest' });
    if (!oldest.ok) return oldest;
    const rebuilt = { generation, last, head };
    const whole = Math.max(since, oldest.value - 1);
    const switched = yield* ask({ call: 'switch', epoch, partition, fence, state: rebuilt, since: whole });
    if (!switched.ok) return switched;
    if (switched.value === 'forgot') return FORGOT;
    if (switched.value === 'fenced') return done('again');
    if (before !== 0) state.note('warn', `rebuilt partition ${partition} of the hot journal: Redis did not have what it should`);
    return done(rebuilt);
  }

  /** Appends the next run. */
  *#append(term: Term): Procedure<Stopped | undefined> {
    const state = this.#state;
    const states = this.#states ?? [];
    const run = yield* this.#nextRun();
    if (!run.ok) return run.failure;
    const head = run.value.at(-1)?.change.seq;
    if (head === undefined) {
      this.#readAt = state.at + UNREADABLE_MS;
      return undefined;
    }
    const { epoch, fence } = term;
    const runs = runsOf(run.value, head, states);
    const trimBelow = Math.max(0, head - HOT_CHANGES);
    const results = runs.length === 0 ? done([]) : yield* ask({ call: 'append', epoch, fence, head, trimBelow, runs });
    if (!results.ok) return results.failure;
    for (const [at, { partition, state: before, changes }] of runs.entries()) {
      const result = results.value[at];
      if (result === 'appended') {
        states[partition] = { ...before, last: changes.at(-1)?.change.seq ?? before.last, head };
        state.appenderStats.appended += changes.length;
        continue;
      }
      const stopped = result === 'differs' ? yield* this.#renew(term, states, partition) : 'again';
      if (stopped !== undefined) return stopped;
    }
    this.#cursor = head;
    return undefined;
  }

  /** Looks whether Redis still has what was appended last: one that was wiped while nothing happens is noticed too. */
  *#verify(term: Term): Procedure<Stopped | undefined> {
    const states = this.#states ?? [];
    const found = yield* ask({ call: 'states', epoch: term.epoch, partitions: this.#partitions });
    if (!found.ok) return found.failure;
    for (const [partition, { generation, last }] of states.entries()) {
      const now = found.value[partition];
      if (now?.generation === generation && now.last === last) continue;
      const stopped = yield* this.#renew(term, states, partition);
      if (stopped !== undefined) return stopped;
    }
    return undefined;
  }

  /** Claims a partition that is not as it should be, and writes it anew. */
  *#renew(term: Term, states: PartitionState[], partition: number): Procedure<Stopped | undefined> {
    const claimed = yield* ask({ call: 'claim', epoch: term.epoch, partition, fence: term.fence });
    if (!claimed.ok) return claimed.failure;
    if (claimed.value.is === 'fenced') return 'again';
    const rebuilt = yield* this.#rebuild(term, partition, claimed.value.generation);
    if (!rebuilt.ok) return rebuilt.failure;
    if (rebuilt.value === 'again') return 'again';
    states[partition] = rebuilt.value;
    return undefined;
  }

  *#nextRun(): Procedure<Outcome<readonly Recent[]>> {
    const { recent } = this.#state;
    const run: Recent[] = [];
    for (let seq = this.#cursor + 1; run.length < RUN_CHANGES; seq += 1) {
      const next = recent.get(seq);
      if (next === undefined) break;
      run.push(next);
    }
    if (run.length > 0) return done(run);
    const read = yield* ask({ call: 'changes', after: this.#cursor, limit: this.#state.pageSize.limit });
    return read.ok ? done(this.#state.read(read.value)) : read;
  }
}

/** Redis was wiped, or went back to an earlier state, while a partition was written: it has to be claimed again. */
const FORGOT = failed('unavailable', 'Redis was wiped while a partition was rebuilt');

/** A run by partition, each part behind what its partition has already. */
function runsOf(run: readonly Recent[], head: number, states: readonly PartitionState[]): PartitionRun[] {
  const byPartition = new Map<number, Recent[]>();
  for (const recent of run) {
    const { scope, id, seq } = recent.change;
    if (scope === SYSTEM_SCOPE) continue;
    const partition = partitionOf(slotOf(id), states.length);
    if (seq <= (states[partition]?.last ?? 0)) continue;
    const changes = byPartition.get(partition);
    if (changes === undefined) byPartition.set(partition, [recent]);
    else changes.push(recent);
  }
  return states.flatMap((state, partition) => {
    const changes = byPartition.get(partition);
    return changes === undefined && head - state.head < HEAD_EVERY ? [] : [{ partition, state, changes: changes ?? [] }];
  });
}

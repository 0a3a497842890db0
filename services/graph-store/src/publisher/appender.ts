/**
 * Maintains the hot journal in Redis: the holder of the lease appends every change to its partition, in order. Redis never delays NATS: the
 * appender has its own cursor, waits for Redis as long as necessary, and rebuilds a partition from PostgreSQL if Redis does not have what
 * it should (wiped, restored, or missing its last second).
 */
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { partitionOf, slotOf } from '../core/slot.ts';
import { call, type PartitionRun, type PartitionState, type PublisherProcedure } from './messages.ts';
import type { Recent } from './recent.ts';
import { HEAD_EVERY, HOT_CHANGES, REDIS_RETRY_MS, RUN_CHANGES, UNREADABLE_MS, VERIFY_MS } from './settings.ts';
import type { PublisherState, Term } from './term.ts';

/** Why work on Redis ended early: it failed, or `again`: the partitions must be claimed again. */
type Stopped = Failure | 'again';

export class Appender {
  readonly #state: PublisherState;
  readonly #partitions: number;
  #term: Term | undefined;
  /** The state of Redis by partition; undefined until all are claimed. */
  #states: PartitionState[] | undefined;
  /** Redis has every change up to here. */
  #cursor = 0;
  #isBusy = false;
  /** When Redis is tried again after a failure, or verified while nothing is appended. */
  #nextAt = 0;
  /** When to look again for known changes that could not be read. */
  #readAt = Number.NEGATIVE_INFINITY;
  #failing = false;
  #hasOthers = true;

  constructor(state: PublisherState, partitions: number) {
    this.#state = state;
    this.#partitions = partitions;
  }

  /** Starts to write with the fence of a term. Its procedures belong to the term. */
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

  /** When it needs to be pumped at the latest. */
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

  /** Redis accepts changes, and lacks some. */
  get #isBehind(): boolean {
    return this.#states !== undefined && this.#state.known > this.#cursor;
  }

  /** One task at a time. */
  *#work(work: PublisherProcedure<Stopped | undefined>): PublisherProcedure {
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

  /** Claims every partition and rebuilds those that were not written in this epoch. */
  *#connect(term: Term): PublisherProcedure<Stopped | undefined> {
    const { epoch, fence } = term;
    const pinged = yield* call({ call: 'ping' });
    if (!pinged.ok) return pinged.failure;
    if (!term.comparedWithRedis) {
      // The content of Redis must be compared with the journal before anything is appended to it.
      this.#state.unsettled = true;
      return undefined;
    }
    const states: PartitionState[] = [];
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const claimed = yield* call({ call: 'claim', epoch, partition, fence });
      if (!claimed.ok) return claimed.failure;
      const { value } = claimed;
      if (value.is === 'fenced') {
        // A higher fence in Redis than that of a held lease means that its writer has seen a newer database than this one.
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
      const dropped = yield* call({ call: 'drop-other-epochs', epoch });
      if (!dropped.ok) return dropped.failure;
      this.#hasOthers = false;
    }
    if (this.#failing) this.#state.note('info', 'Redis takes changes again');
    this.#failing = false;
    this.#states = states;
    return undefined;
  }

  /** Rebuilds a partition, under the generation after the given one. */
  *#rebuild({ epoch, fence }: Term, partition: number, before: number): PublisherProcedure<Outcome<PartitionState | 'again'>> {
    const state = this.#state;
    state.appenderStats.rebuilt += 1;
    const newest = yield* call({ call: 'newest' });
    if (!newest.ok) return newest;
    const head = newest.value;
    const since = Math.max(0, head - HOT_CHANGES);
    const generation = before + 1;
    const cleared = yield* call({ call: 'clear', epoch, partition, fence, generation });
    if (!cleared.ok) return cleared;
    if (cleared.value === 'forgot') return FORGOT;
    if (cleared.value === 'fenced') return done('again');
    let last = 0;
    for (;;) {
      const after = Math.max(last, since);
      const page = yield* call({ call: 'partition', partition, after, upTo: head, limit: state.pageSize.limit });
      if (!page.ok) return page;
      const tail = page.value.at(-1);
      if (tail === undefined) break;
      const changes = state.read(page.value);
      const filled = yield* call({ call: 'fill', epoch, partition, fence, generation, after, changes });
      if (!filled.ok) return filled;
      if (filled.value === 'forgot') return FORGOT;
      if (filled.value === 'fenced') return done('again');
      last = tail.seq;
    }
    // Read last: changes deleted meanwhile may be in the log, those deleted before are not. A group that is further back must be notified.
    const oldest = yield* call({ call: 'oldest' });
    if (!oldest.ok) return oldest;
    const rebuilt = { generation, last, head };
    const whole = Math.max(since, oldest.value - 1);
    const switched = yield* call({ call: 'switch', epoch, partition, fence, state: rebuilt, since: whole });
    if (!switched.ok) return switched;
    if (switched.value === 'forgot') return FORGOT;
    if (switched.value === 'fenced') return done('again');
    if (before !== 0) state.note('warn', `rebuilt partition ${partition} of the hot journal: its content in Redis was incomplete`);
    return done(rebuilt);
  }

  /** Appends the next run. */
  *#append(term: Term): PublisherProcedure<Stopped | undefined> {
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
    const results = runs.length === 0 ? done([]) : yield* call({ call: 'append', epoch, fence, head, trimBelow, runs });
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

  /** Verifies that Redis still has the last entry: a Redis that was wiped while idle is detected too. */
  *#verify(term: Term): PublisherProcedure<Stopped | undefined> {
    const states = this.#states ?? [];
    const found = yield* call({ call: 'states', epoch: term.epoch, partitions: this.#partitions });
    if (!found.ok) return found.failure;
    for (const [partition, { generation, last }] of states.entries()) {
      const now = found.value[partition];
      if (now?.generation === generation && now.last === last) continue;
      const stopped = yield* this.#renew(term, states, partition);
      if (stopped !== undefined) return stopped;
    }
    return undefined;
  }

  /** Claims a partition that is not as expected, and rebuilds it. */
  *#renew(term: Term, states: PartitionState[], partition: number): PublisherProcedure<Stopped | undefined> {
    const claimed = yield* call({ call: 'claim', epoch: term.epoch, partition, fence: term.fence });
    if (!claimed.ok) return claimed.failure;
    if (claimed.value.is === 'fenced') return 'again';
    const rebuilt = yield* this.#rebuild(term, partition, claimed.value.generation);
    if (!rebuilt.ok) return rebuilt.failure;
    if (rebuilt.value === 'again') return 'again';
    states[partition] = rebuilt.value;
    return undefined;
  }

  *#nextRun(): PublisherProcedure<Outcome<readonly Recent[]>> {
    const { recent } = this.#state;
    const run: Recent[] = [];
    for (let seq = this.#cursor + 1; run.length < RUN_CHANGES; seq += 1) {
      const next = recent.get(seq);
      if (next === undefined) break;
      run.push(next);
    }
    if (run.length > 0) return done(run);
    const read = yield* call({ call: 'changes', after: this.#cursor, limit: this.#state.pageSize.limit });
    return read.ok ? done(this.#state.read(read.value)) : read;
  }
}

/** Redis was wiped or restored while a partition was being written: it must be claimed again. */
const FORGOT = failed('unavailable', 'Redis was wiped while a partition was rebuilt');

/** Splits a run by partition, without what each partition already has. */
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

/**
 * A journal with its publisher and store for tests of the feed, and a record of every watch that compares the changes it received with the
 * expected ones.
 */
import { graphChanged, graphChanges, graphHead, graphPosition } from '@polyedge/contracts/bus/feed';
import { type Change, type FullChange, isFull } from '@polyedge/contracts/change';
import { done, type Failure, failed } from '@polyedge/contracts/errors';
import { covers, type Interest, keysOf } from '@polyedge/contracts/interest';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Feed, Watch, WatchHandler } from '../feed/watch.ts';

/** The rows of each epoch. Rows never change; another epoch begins as a copy of a prefix. */
export class ModelJournal {
  readonly histories = new Map<string, FullChange[]>([['e1', []]]);
  epoch = 'e1';
  /** Older rows are deleted. */
  oldest = 1;

  get rows(): FullChange[] {
    return this.rowsOf(this.epoch);
  }

  rowsOf(epoch: string): FullChange[] {
    const rows = this.histories.get(epoch);
    if (rows === undefined) throw new Error(`no epoch ${epoch}`);
    return rows;
  }

  get seq(): number {
    return this.rows.length;
  }

  commit(change: Pick<Change, 'tenant' | 'type' | 'owners'>): void {
    const seq = this.seq + 1;
    const { tenant, type, owners } = change;
    const stamp = { on: 0, by: 'a', app: 'p' };
    const element = { tenant, id: `x${seq}`, kind: 'vertex', type, scope: 's' } as const;
    this.rows.push({
      ...element,
      seq,
      epoch: this.epoch,
      owners,
      action: 'create',
      version: 1,
      ...stamp,
      origin: { protocol: 'test', way: 'socket', operation: 'create' },
      operationId: `o${seq}`,
      first: seq,
      last: seq,
      state: { ...element, attributes: {}, version: 1, seq, created: stamp, modified: stamp, deleted: false },
      undo: { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false },
    });
  }

  /** Restores a backup: everything above `keep` is lost, and a new epoch begins. */
  restore(keep: number): void {
    const kept = this.rows.slice(0, keep);
    this.epoch = `e${this.histories.size + 1}`;
    this.histories.set(this.epoch, kept);
    this.oldest = Math.min(this.oldest, kept.length + 1);
  }
}

/** Answers like graph-store. `page`: maximum number of changes in a reply. */
export function answerFrom(journal: ModelJournal, bus: Bus, page: () => number): void {
  bus.respond(graphPosition, async () => done({ epoch: journal.epoch, seq: journal.seq, oldest: journal.oldest, partitions: 1 }));
  bus.respond(graphChanges, async ({ epoch, after = 0, upTo = journal.seq, interests = [], seqs }) => {
    if (epoch !== journal.epoch) return failed('lost');
    if (seqs !== undefined) {
      if (seqs.some((seq) => seq < journal.oldest)) return failed('lost');
      const asked = [...new Set(seqs)].sort((a, b) => a - b).slice(0, page());
      return done({ epoch, to: asked.at(-1) ?? 0, changes: asked.flatMap((seq) => journal.rows[seq - 1] ?? []) });
    }
    if (after + 1 < journal.oldest) return failed('lost');
    const room = page();
    const last = Math.min(upTo, journal.seq);
    const found = journal.rows.slice(after, last).filter((row) => interests.some((interest) => covers(interest, row)));
    if (found.length <= room) return done({ epoch, to: last, changes: found });
    const changes = found.slice(0, room);
    return done({ epoch, to: changes.at(-1)?.seq ?? after, changes });
  });
}

/** Publishes rows and heads as in delivery.md 4. A publisher that was suspended is a second instance with a lower fence. */
export class ModelPublisher {
  readonly #journal: ModelJournal;
  readonly #bus: Bus;
  readonly #isHuge: (seq: number) => boolean;
  epoch: string;
  fence: number;
  published: number;

  constructor(journal: ModelJournal, bus: Bus, from: { fence: number; published: number }, isHuge: (seq: number) => boolean) {
    this.#journal = journal;
    this.#bus = bus;
    this.#isHuge = isHuge;
    this.epoch = journal.epoch;
    this.fence = from.fence;
    this.published = from.published;
  }

  /** Publishes up to `most` rows and their head; without rows an empty head. */
  publish(most: number): void {
    const rows = this.#journal.rowsOf(this.epoch).slice(this.published, this.published + most);
    for (const row of rows) {
      const { state: _state, undo: _undo, ...reference } = row;
      const body = this.#isHuge(row.seq) ? reference : row;
      for (const owner of row.owners) this.#bus.publish(graphChanged, { tenant: row.tenant, type: row.type, owner }, body);
    }
    const from = this.published + 1;
    this.published += rows.length;
    this.#bus.publish(graphHead, {}, { epoch: this.epoch, fence: this.fence, from, to: this.published, keys: rows.map(keysOf) });
  }
}

/** A watch, the changes it received, and the errors found. */
export class WatchRecord implements WatchHandler {
  readonly #journal: ModelJournal;
  readonly interest: Interest;
  readonly #after: (record: WatchRecord, change?: FullChange) => void;
  readonly watch: Watch;
  epoch: string | undefined;
  position = -1;
  got = 0;
  failure: Failure | undefined;
  closed = false;
  /** The seq that this watch reported to wait for. */
  waiting: number | undefined;
  problem: string | undefined;

  /** @param after called at the end of every call, to close and open watches from within. */
  constructor(feed: Feed, journal: ModelJournal, interest: Interest, after: (record: WatchRecord, change?: FullChange) => void = () => {}) {
    this.#journal = journal;
    this.interest = interest;
    this.#after = after;
    this.watch = feed.watch(interest, this);
  }

  live(seq: number, epoch: string): void {
    this.#expect(this.epoch === undefined, 'live twice');
    this.#expect(seq <= this.#journal.rowsOf(epoch).length, `live at ${seq}, which was not committed`);
    this.epoch = epoch;
    this.position = seq;
    this.#after(this);
  }

  change(change: FullChange): void {
    this.#expect(this.epoch !== undefined, 'a change before live');
    this.#expect(isFull(change), 'a reference');
    const next = this.next();
    this.#expect(next === change.seq, `got ${change.seq}, next is ${next}`);
    this.position = change.seq;
    this.got += 1;
    this.#after(this, change);
  }

  waits(seq: number | undefined): void {
    this.#expect(this.epoch !== undefined, 'waits before live');
    this.waiting = seq;
  }

  lost(failure: Failure): void {
    this.#expect(this.failure === undefined, 'lost twice');
    this.failure = failure;
    this.#after(this);
  }

  close(): void {
    this.closed = true;
    this.watch.close();
  }

  /** Describes what is missing up to a seq. */
  missing(upTo: number): string | undefined {
    const next = this.next();
    return next !== undefined && next <= upTo ? `${JSON.stringify(this.interest)} is at ${this.position}, ${next} is missing` : undefined;
  }

  /** The next committed seq. */
  next(): number | undefined {
    const rows = this.#journal.rowsOf(this.epoch ?? this.#journal.epoch);
    for (let at = Math.max(0, this.position); at < rows.length; at += 1) {
      const row = rows[at];
      if (row !== undefined && covers(this.interest, row)) return row.seq;
    }
    return undefined;
  }

  #expect(holds: boolean, otherwise: string): void {
    if (this.closed) this.problem ??= 'called after close';
    if (this.failure !== undefined) this.problem ??= 'called after lost';
    if (!holds) this.problem ??= `${otherwise} (${JSON.stringify(this.interest)}, ${this.epoch}, at ${this.position})`;
  }
}

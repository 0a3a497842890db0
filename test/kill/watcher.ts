/** A live subscriber: a watch of an edge's feed that records what it receives. */
import { covers, type Interest } from '@polyedge/contracts/interest';
import type { Feed, Watch } from '@polyedge/edge-kit/feed/watch';
import type { JournalRow } from './journal.ts';

/** One uninterrupted period of a watch, from going live until it was lost or the test ended. */
interface Stretch {
  readonly from: number;
  readonly epoch: string;
  readonly seqs: number[];
  readonly problems: string[];
  /** It was told to start over, so later changes belong to another period. */
  over: boolean;
}

export class Watcher {
  readonly name: string;
  readonly #feed: Feed;
  readonly #interest: Interest;
  readonly #startsOver: boolean;
  readonly #stretches: Stretch[] = [];
  /** Why the watch ended although no retained change was lost. */
  readonly lost: string[] = [];
  #watch: Watch | undefined;
  #live = false;
  #closed = false;

  /** @param startsOver whether it may be told to start over, as after a failover of the database */
  constructor(name: string, feed: Feed, interest: Interest, startsOver = false) {
    this.name = name;
    this.#feed = feed;
    this.#interest = interest;
    this.#startsOver = startsOver;
    this.#begin();
  }

  get live(): boolean {
    return this.#live;
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  #begin(): void {
    let stretch: Stretch | undefined;
    this.#watch = this.#feed.watch(this.#interest, {
      live: (from, epoch) => {
        this.#live = true;
        stretch = { from, epoch, seqs: [], problems: [], over: false };
        this.#stretches.push(stretch);
      },
      change: (change) => {
        stretch?.seqs.push(change.seq);
        if (change.state.seq !== change.seq) stretch?.problems.push(`change ${change.seq} carries the state of ${change.state.seq}`);
      },
      lost: (failure) => {
        // A watch that was never live has missed nothing.
        if (this.#live && !this.#startsOver) this.lost.push(failure.code);
        if (stretch !== undefined) stretch.over = true;
        this.#live = false;
        if (!this.#closed) this.#begin();
      },
    });
  }

  /**
   * The differences between this watch and the journal. Compares up to the end of the journal and can be called repeatedly.
   * @param of only what was given of this history; default: all, which is then one
   */
  problems(rows: readonly JournalRow[], of?: string): string[] {
    const problems = this.lost.map((code) => `${this.name} was lost: ${code}`);
    if (this.#stretches.length === 0) problems.push(`${this.name} never went live`);
    for (const { from, epoch, seqs, problems: own, over } of this.#stretches) {
      if (of !== undefined && epoch !== of) continue;
      problems.push(...own);
      const upTo = over ? (seqs.at(-1) ?? from) : Number.POSITIVE_INFINITY;
      const expected = rows.filter((row) => row.seq > from && row.seq <= upTo && covers(this.#interest, row)).map(({ seq }) => seq);
      const at = expected.findIndex((seq, index) => seqs[index] !== seq);
      if (at >= 0)
        problems.push(
          `${this.name} (from ${from}) was given ${seqs[at]} in place of ${expected[at]}, ${seqs.length} of ${expected.length}`,
        );
      else if (seqs.length > expected.length) problems.push(`${this.name} was given ${seqs.length - expected.length} changes too many`);
    }
    return problems;
  }
}

/** Checks the promises of consumer groups (docs/architecture.md, "Groups") at every delivery, confirmation and position. */

/** Changes that were confirmed this shortly before a fault may be repeated: a second, and the time that answers take. */
const UNSAFE_MS = 2000;

interface Partition {
  /** Seqs delivered at least once, in the order of their first delivery. */
  readonly first: number[];
  /** When each was first confirmed; Infinity if its owner had lost the partition by then. */
  readonly confirmed: Map<number, number>;
  /** The length of the confirmed prefix. */
  done: number;
}

export class GroupJudge {
  /** The first problem, as a sentence. */
  problem: string | undefined;
  given = 0;
  repeats = 0;
  readonly #partitions: number;
  readonly #positionOf: (group: string, partition: number) => number;
  readonly #groups = new Map<string, Partition[]>();
  readonly #positions = new Map<string, number>();
  readonly #faults: { readonly from: number; readonly to: number }[] = [];

  constructor(partitions: number, positionOf: (group: string, partition: number) => number) {
    this.#partitions = partitions;
    this.#positionOf = positionOf;
  }

  wrong(sentence: string): void {
    this.problem ??= sentence;
  }

  /** A fault, from one time to another. */
  fault(from: number, to: number): void {
    this.#faults.push({ from, to });
  }

  /** Changes reach a member. In each partition, first deliveries are in order. */
  give(group: string, seqs: readonly number[], partitionOf: (seq: number) => number, at: number): void {
    for (const seq of seqs) {
      const partition = partitionOf(seq);
      const known = this.#of(group, partition);
      this.given += 1;
      if ((known.first.at(-1) ?? 0) < seq) known.first.push(seq);
      else if (!known.first.includes(seq)) this.wrong(`${group}: ${seq} of partition ${partition} comes first after ${known.first.at(-1)}`);
      else this.#repeat(group, seq, known, at);
    }
  }

  /** A client has confirmed changes. `inTime`: its edge still owned the partition, so the position moves. */
  confirm(group: string, seqs: readonly number[], partitionOf: (seq: number) => number, at: number, inTime: boolean): void {
    for (const seq of seqs) {
      const { confirmed } = this.#of(group, partitionOf(seq));
      confirmed.set(seq, Math.min(confirmed.get(seq) ?? Number.POSITIVE_INFINITY, inTime ? at : Number.POSITIVE_INFINITY));
    }
  }

  /** Positions only grow, and never pass an unconfirmed change. */
  positions(groups: readonly string[]): void {
    for (const group of groups) {
      for (let partition = 0; partition < this.#partitions; partition += 1) {
        const key = `${group}/${partition}`;
        const position = this.#positionOf(group, partition);
        if (position < (this.#positions.get(key) ?? -1)) this.wrong(`${key}: the position went back to ${position}`);
        this.#positions.set(key, position);
        const open = openOf(this.#of(group, partition));
        if (open !== undefined && position >= open)
          this.wrong(`${key}: the position ${position} has passed ${open}, which nobody confirmed`);
      }
    }
  }

  /** The first change that is not confirmed, or whose confirmation is not stored; undefined if there is none. */
  missing(groups: readonly string[], seqs: readonly (readonly number[])[]): string | undefined {
    for (const group of groups) {
      for (const [partition, all] of seqs.entries()) {
        const { confirmed } = this.#of(group, partition);
        const open = all.find((seq) => !confirmed.has(seq));
        if (open !== undefined) return `${group} has not confirmed ${open} of partition ${partition}`;
        const last = all.at(-1) ?? 0;
        if (this.#positionOf(group, partition) < last)
          return `${group} is stored at ${this.#positionOf(group, partition)} of ${last} in partition ${partition}`;
      }
    }
    return undefined;
  }

  #repeat(group: string, seq: number, { confirmed }: Partition, at: number): void {
    this.repeats += 1;
    const confirmedAt = confirmed.get(seq);
    if (confirmedAt === undefined) return;
    // A confirmation can only be lost by a fault that lasted at its time or began soon after.
    const excused = this.#faults.some(({ from, to }) => confirmedAt >= from - UNSAFE_MS && confirmedAt <= to + UNSAFE_MS && from <= at);
    if (!excused && at - confirmedAt > UNSAFE_MS)
      this.wrong(`${group}: ${seq} comes again ${Math.floor(at - confirmedAt)} ms after it was confirmed, and nothing failed then`);
  }

  #of(group: string, partition: number): Partition {
    let partitions = this.#groups.get(group);
    if (partitions === undefined) {
      partitions = Array.from({ length: this.#partitions }, () => ({ first: [], confirmed: new Map(), done: 0 }));
      this.#groups.set(group, partitions);
    }
    return partitions[partition] ?? { first: [], confirmed: new Map(), done: 0 };
  }
}

/** The first unconfirmed seq. */
function openOf(partition: Partition): number | undefined {
  const { first, confirmed } = partition;
  while (partition.done < first.length && confirmed.has(first[partition.done] ?? 0)) partition.done += 1;
  return first[partition.done];
}

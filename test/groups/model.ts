/** What a group promises, stated over what its members saw: the reference that the torture test judges by. Knows nothing of how it is done. */

export interface Delivery {
  readonly seq: number;
  readonly element: string;
  readonly member: string;
  /** Of the machine's monotonic clock, in ms. */
  readonly at: number;
  /** When the member's stack answered the first ping after it; undefined when it never did. */
  answeredAt: number | undefined;
}

/** Something that may undo a confirmation that is on its way, or not yet safe: a member, an edge or Redis was killed. */
export interface Incident {
  readonly at: number;
  /** Only deliveries of these members; undefined: of all. */
  readonly members: ReadonlySet<string> | undefined;
}

export interface Verdict {
  readonly expected: number;
  readonly delivered: number;
  readonly missing: readonly number[];
  /** Pairs of seqs of one element whose first deliveries came the wrong way round. */
  readonly inversions: readonly (readonly [number, number])[];
  readonly duplicates: number;
  /** Duplicates of what had been confirmed, with nothing that could explain it. */
  readonly unexplained: readonly Repeat[];
}

/** A delivery again, and the one before it that had been confirmed. Times in ms. */
export interface Repeat {
  readonly seq: number;
  readonly by: string;
  readonly confirmedAt: number;
  readonly again: string;
  readonly againAt: number;
}

/** How long a confirmation may take to be safe: it is committed every second. */
const SAFE_MS = 3000;

/** @param expected every change of the type, from the journal itself */
export function judge(
  expected: readonly { readonly seq: number; readonly element: string }[],
  deliveries: readonly Delivery[],
  incidents: readonly Incident[],
): Verdict {
  const bySeq = new Map<number, Delivery[]>();
  for (const delivery of [...deliveries].sort((one, other) => one.at - other.at)) {
    const known = bySeq.get(delivery.seq);
    if (known === undefined) bySeq.set(delivery.seq, [delivery]);
    else known.push(delivery);
  }
  const inversions: [number, number][] = [];
  const newest = new Map<string, number>();
  const firsts = [...bySeq.values()].flatMap(([first]) => (first === undefined ? [] : [first])).sort((one, other) => one.at - other.at);
  for (const { seq, element } of firsts) {
    const before = newest.get(element);
    if (before !== undefined && before > seq) inversions.push([before, seq]);
    newest.set(element, Math.max(before ?? 0, seq));
  }
  let duplicates = 0;
  const unexplained: Repeat[] = [];
  for (const [seq, [, ...again]] of bySeq) {
    duplicates += again.length;
    for (const repeat of again) {
      const confirmed = (bySeq.get(seq) ?? []).filter(({ answeredAt }) => answeredAt !== undefined && answeredAt < repeat.at);
      const [before] = confirmed;
      if (before === undefined || confirmed.some((delivery) => excused(delivery, incidents))) continue;
      unexplained.push({ seq, by: before.member, confirmedAt: before.answeredAt ?? 0, again: repeat.member, againAt: repeat.at });
    }
  }
  return {
    expected: expected.length,
    delivered: deliveries.length,
    missing: expected.filter(({ seq }) => !bySeq.has(seq)).map(({ seq }) => seq),
    inversions,
    duplicates,
    unexplained,
  };
}

/** After a loss of Redis an old owner may go on until it hears of the new one: what it confirms meanwhile comes again. */
const OVERLAP_MS = 2500;

const excused = ({ answeredAt = 0, member }: Delivery, incidents: readonly Incident[]): boolean =>
  incidents.some(({ at, members }) => {
    if (members !== undefined && !members.has(member)) return false;
    return at <= answeredAt + SAFE_MS && at >= answeredAt - (members === undefined ? OVERLAP_MS : 500);
  });

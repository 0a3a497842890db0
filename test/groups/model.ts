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

/** Something that may undo a confirmation that is on its way, or not yet safe. */
export type Incident =
  /** Members, or an edge (then any member), died, left or stood still: an answer may not have been heard, a position not yet written. */
  | { readonly kind: 'gone'; readonly at: number; readonly members: ReadonlySet<string> | undefined }
  /** Redis lost everything: when that is noticed, partitions change hands and go on from what PostgreSQL has. */
  | { readonly kind: 'forgot'; readonly at: number }
  /** A member that stood still goes on: what it reads first is what it was given before. */
  | { readonly kind: 'late'; readonly at: number; readonly member: string };

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

/** A position is safe after so long: it is written at least every second. */
const SAFE_MS = 1000;
/** For what is measured from outside: the way of the answer, the statement that writes, and processes that wait for a turn on a busy machine. */
const TOLERANCE_MS = 500;
/** A loss that breaks no connection is noticed when leases are renewed, at the latest. */
const NOTICED_MS = 2000;

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
      const before = (bySeq.get(seq) ?? []).findLast(({ answeredAt }) => answeredAt !== undefined && answeredAt < repeat.at);
      if (before === undefined || excused(before, repeat, incidents)) continue;
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

/** Whether something explains that a delivery that was confirmed came again. */
const excused = (before: Delivery, again: Delivery, incidents: readonly Incident[]): boolean =>
  incidents.some((incident) => explains(incident, before, again));

function explains(incident: Incident, { answeredAt = 0, member }: Delivery, again: Delivery): boolean {
  /** From the answer to what happened: negative when it happened before. */
  const ms = incident.at - answeredAt;
  switch (incident.kind) {
    case 'gone':
      if (incident.members !== undefined && !incident.members.has(member)) return false;
      return ms >= -TOLERANCE_MS && ms <= SAFE_MS + TOLERANCE_MS;
    case 'forgot':
      if (ms >= 0) return ms <= SAFE_MS + TOLERANCE_MS;
      // Whenever the loss is noticed: only what is younger than a second comes again.
      return ms >= -(NOTICED_MS + TOLERANCE_MS) && again.at - answeredAt <= SAFE_MS + TOLERANCE_MS;
    case 'late':
      return again.member === incident.member && again.at >= incident.at && again.at <= incident.at + TOLERANCE_MS;
  }
}

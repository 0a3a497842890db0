/** The guarantees of a group, checked on what its members received: the reference of the torture test, independent of the implementation. */

export interface Delivery {
  /** A number that grows with the changes of an element, and is the same wherever its tenant moves. */
  readonly seq: number;
  readonly element: string;
  readonly member: string;
  /** On the machine's monotonic clock, in ms. */
  readonly at: number;
  /** When the member's stack answered the first ping after it; undefined if it never did. */
  answeredAt: number | undefined;
}

/** A fault that may undo a confirmation that is in transit or not yet durable. */
export type Incident =
  /** Members, or an edge (then any member), died, left or were paused: an answer may be lost, a position not yet written. */
  | { readonly kind: 'gone'; readonly at: number; readonly members: ReadonlySet<string> | undefined }
  /** Redis lost everything: partitions that are taken over from then on continue from the positions in PostgreSQL. */
  | { readonly kind: 'forgot'; readonly at: number }
  /**
   * Between two times it was decided that the organization is in another journal. The positions of that moment go along, and owners in the old
   * one learn of it when they write positions next.
   */
  | { readonly kind: 'moved'; readonly after: number; readonly before: number }
  /**
   * A member or its edge resumes that was paused at `since`: the member first reads what was sent, or queued to be sent, before the pause. Its
   * answers come too late if the partition has another owner, or the organization another journal, since the pause.
   */
  | { readonly kind: 'late'; readonly at: number; readonly since: number; readonly member: string };

/** A partition got an owner: it continues from its positions of that moment, however much later its changes can be read. */
export interface Takeover {
  /** When it was committed, on the machine's monotonic clock, in ms. */
  readonly at: number;
  readonly partition: number;
}

/** A change of the journal. */
export interface Expected {
  readonly seq: number;
  readonly element: string;
  readonly partition: number;
}

export interface Verdict {
  readonly expected: number;
  readonly delivered: number;
  readonly missing: readonly number[];
  /** Pairs of seqs of one element whose first deliveries were in the wrong order. */
  readonly inversions: readonly (readonly [number, number])[];
  readonly duplicates: number;
  /** Duplicates of confirmed deliveries without a fault that explains them. */
  readonly unexplained: readonly Repeat[];
}

/** A repeated delivery, and the confirmed one before it. Times in ms. */
export interface Repeat {
  readonly seq: number;
  readonly by: string;
  readonly confirmedAt: number;
  readonly again: string;
  readonly againAt: number;
  /** When its partition got an owner. */
  readonly taken: readonly number[];
}

/** Positions are written at least every second, so they are durable after this time. */
const SAFE_MS = 1000;
/** Tolerance for outside measurements: transit times, and the statement that writes. A busy machine adds to it. */
const TOLERANCE_MS = 500;
/** A loss that closes no connection is noticed at the latest when leases are renewed. */
const NOTICED_MS = 2000;

/**
 * @param expected every change of the type, from the journal itself
 * @param lateMs how late the machine ran what was due: each measured time may be wrong by that
 */
export function judge(
  expected: readonly Expected[],
  deliveries: readonly Delivery[],
  incidents: readonly Incident[],
  takeovers: readonly Takeover[],
  lateMs = 0,
): Verdict {
  const toleranceMs = TOLERANCE_MS + lateMs;
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
  const partitions = new Map(expected.map(({ seq, partition }) => [seq, partition]));
  let duplicates = 0;
  const unexplained: Repeat[] = [];
  for (const [seq, [, ...again]] of bySeq) {
    duplicates += again.length;
    const taken = again.length === 0 ? [] : takeovers.filter(({ partition }) => partition === partitions.get(seq)).map(({ at }) => at);
    for (const repeat of again) {
      const before = (bySeq.get(seq) ?? []).findLast(({ answeredAt }) => answeredAt !== undefined && answeredAt < repeat.at);
      if (before === undefined || excused(before, repeat, incidents, taken, toleranceMs)) continue;
      unexplained.push({ seq, by: before.member, confirmedAt: before.answeredAt ?? 0, again: repeat.member, againAt: repeat.at, taken });
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

/** Whether a fault explains that a confirmed delivery was repeated. */
const excused = (
  before: Delivery,
  again: Delivery,
  incidents: readonly Incident[],
  taken: readonly number[],
  toleranceMs: number,
): boolean =>
  incidents.some(
    (incident) =>
      explains(incident, before, again, taken, toleranceMs) ||
      (incident.kind === 'late' && cameTooLate(incident, before, again, incidents, taken, toleranceMs)),
  );

/** Whether a delivery was confirmed to an edge that no longer owned the partition: its pause was longer than its lease. */
function cameTooLate(
  { at, since, member }: Extract<Incident, { readonly kind: 'late' }>,
  before: Delivery,
  again: Delivery,
  incidents: readonly Incident[],
  taken: readonly number[],
  toleranceMs: number,
): boolean {
  const { answeredAt = 0 } = before;
  if (before.member !== member || answeredAt < since || answeredAt > at + toleranceMs) return false;
  return (
    taken.some((takenAt) => takenAt >= since && takenAt <= Math.min(at, again.at)) ||
    incidents.some((moved) => moved.kind === 'moved' && moved.before >= since && moved.after <= at)
  );
}

/** @param taken when its partition got an owner */
function explains(
  incident: Incident,
  { answeredAt = 0, member }: Delivery,
  again: Delivery,
  taken: readonly number[],
  toleranceMs: number,
): boolean {
  if (incident.kind === 'moved') {
    const nearMs = SAFE_MS + toleranceMs;
    return answeredAt >= incident.after - nearMs && answeredAt <= incident.before + nearMs;
  }
  /** From the answer to the fault: negative if the fault was earlier. */
  const ms = incident.at - answeredAt;
  switch (incident.kind) {
    case 'gone':
      if (incident.members !== undefined && !incident.members.has(member)) return false;
      return ms >= -toleranceMs && ms <= SAFE_MS + toleranceMs;
    case 'forgot':
      if (ms >= 0) return ms <= SAFE_MS + toleranceMs;
      if (ms < -(NOTICED_MS + toleranceMs)) return false;
      // A new owner misses what was confirmed within the second before it took over, and what the old one was told after that.
      return taken.some((at) => at >= incident.at && at <= again.at && at - answeredAt <= SAFE_MS + toleranceMs);
    case 'late':
      // Nobody else was given it before the pause.
      if (again.member !== incident.member || answeredAt < incident.since) return false;
      return again.at >= incident.at && again.at <= incident.at + toleranceMs;
  }
}

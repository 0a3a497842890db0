/**
 * Histories that once failed, and why. A seed gives the same history only until something else is drawn from it, so each fault also has a test where it
 * was.
 */
export interface Regression {
  readonly seed: number;
  readonly found: string;
  /** Everything takes part, as in every history at that time. */
  readonly whole?: true;
}

export const REGRESSIONS: readonly Regression[] = [
  {
    seed: 32,
    found: 'a client of Saga went on with its session on an edge whose feed was behind, and was shown again what it had',
    whole: true,
  },
  { seed: 1119, found: 'what a group had shown to nobody counted as confirmed, and was not to come again', whole: true },
  {
    seed: 72,
    found: 'the model of NATS let a flush go unanswered when its connection had broken, and a watch began seconds late',
    whole: true,
  },
  { seed: 20257, found: 'a watcher that registered after the last change of its type was expected to be shown it', whole: true },
  { seed: 20272, found: 'the same, with an edge that stood still while the watcher registered', whole: true },
  { seed: 20765, found: 'the same, with an edge that was killed in between', whole: true },
  { seed: 11673, found: 'the same, with a watch that began only when a request to a store that had gone was given up' },
  {
    seed: 505723,
    found: 'a client of Saga whose missed changes could not be read was shown later ones before it was sent away, and resumed after them',
  },
  {
    seed: 509088,
    found:
      'an owner of a group that had not heard of a move was shown what its tenant wrote before it left, without what it had brought along',
  },
  {
    seed: 403620,
    found: 'a watch of a tenant that came to a journal whose feed was behind was told of the copies by which it came',
  },
  {
    seed: 410115,
    found:
      'changes of a copy that took over, committed before its new epoch, were expected to be published in that, where nobody is before them',
  },
  {
    seed: 207246,
    found: 'a partition of the hot journal was put in use after Redis had gone back and lost what was filled, and groups passed over it',
    whole: true,
  },
  {
    seed: 2089,
    found: 'a live query that began on a shared watch took the epoch of an old change for that of the feed, and waited for ever',
  },
];

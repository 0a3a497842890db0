/** Known bugs. A test plants one in the system and checks that it is found. */

export const SYSTEM_BUGS = [
  /** Heads form no chain: a feed takes each one for the next. The feed is not told of broken connections, which would hide the bug. */
  'heads-without-chain',
  /** A fetched range counts as complete although a change is missing. */
  'deliver-before-the-gap-is-filled',
  /** What a socket has already received is forgotten between two turns. */
  'dedupe-by-tick',
  /** A write whose outcome is unknown is retried under another operation id. */
  'retry-without-the-operation-id',
  /** An unanswered COMMIT counts as done. */
  'outcome-assumed',
  /** The publisher's clock stops while its process is suspended, so the publisher believes in an expired lease. */
  'lease-believed-past-its-end',
  /** After a failover, the epoch stays the same. */
  'epoch-unnoticed',
  /** The store accepts any fence of a group's owner. Positions may decrease, which otherwise would hide the bug. */
  'no-fence-check',
  /** Changes count as confirmed when they are written to a member's socket. */
  'position-moved-on-write',
  /** The rows of a live query are read from a copy of the database that is behind the events. */
  'rows-older-than-events',
  /** A repeated message runs again while its first attempt is in progress, and operation ids are not looked up. */
  'repeats-not-looked-up',
  /** Rows are locked by one statement and read by the next one, which also sees rows created in between, without a lock. */
  'read-after-lock',
  /** A write that must be answered after its events is answered at once. */
  'answers-before-their-events',
  /** The events of a write that must be answered first are shown when they arrive. */
  'events-before-their-answer',
  /** After a move, a group starts at the first copied change. */
  'groups-begin-anew',
  /** After a move, a group skips everything that was copied. */
  'groups-skip-what-is-open',
] as const;
export type SystemBug = (typeof SYSTEM_BUGS)[number];

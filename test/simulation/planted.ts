/** Known mistakes, one of which a test puts into the system to see that it is found. */

export const SYSTEM_BUGS = [
  /** Heads form no chain: a feed takes each for the next one. Being told of a broken connection would hide it, so it is not told. */
  'heads-without-chain',
  /** A range that a feed asked for is taken for complete although a change is missing from it. */
  'deliver-before-the-gap-is-filled',
  /** What a socket already got is forgotten between two turns. */
  'dedupe-by-tick',
  /** An attempt whose outcome is unknown is made again under another operation id. */
  'retry-without-the-operation-id',
  /** A COMMIT that was not answered is taken for done. */
  'outcome-assumed',
  /** The publisher's clock stands still with its process, so it believes in a lease past its end. */
  'lease-believed-past-its-end',
  /** Another copy of the database goes on under the same epoch. */
  'epoch-unnoticed',
  /** The store takes any fence of a group's owner. Positions only growing would hide it, so they may go back as well. */
  'no-fence-check',
  /** What was written to a member's socket counts as confirmed. */
  'position-moved-on-write',
  /** Rows of a live query are read from a copy that is behind its events. */
  'rows-older-than-events',
  /** A message that comes again while its first attempt is under way is run again, and operation ids are not looked up. */
  'repeats-not-looked-up',
  /** Rows are locked by one statement and read by the next, which sees what was made in between and is not locked. */
  'read-after-lock',
  /** A write that is to be answered after its events is answered at once. */
  'answers-before-their-events',
  /** The events of a write that is to be answered before them are shown when they come. */
  'events-before-their-answer',
  /** A group whose tenant has moved begins with what the tenant brought along. */
  'groups-begin-anew',
  /** A group whose tenant has moved goes on with what comes then. */
  'groups-skip-what-is-open',
] as const;
export type SystemBug = (typeof SYSTEM_BUGS)[number];

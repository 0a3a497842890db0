/** Known mistakes, one of which a test puts into the system to see that it is found. */

export const SYSTEM_BUGS = [
  /** Heads form no chain: a feed takes each for the next one. Found because a message that NATS lost with its head is never missed. */
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
  /** Neither the store nor Redis looks at the fence of a consumer group's owner. */
  'no-fence-check',
  /** What was written to a member's socket counts as confirmed. */
  'position-moved-on-write',
  /** Rows of a live query are read from a copy that is behind its events. */
  'rows-older-than-events',
  /** Writes of one session are sent at the same time. */
  'answered-before-committed',
  /** The subscription of a feed is not made again after a reconnect, and its loss is not told. */
  'disconnect-unnoticed',
] as const;
export type SystemBug = (typeof SYSTEM_BUGS)[number];

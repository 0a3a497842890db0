/**
 * Operation ids: 48 bits of time (milliseconds since 1970) and 80 random bits, as 32 hex digits. The time makes the table that remembers
 * them cheap: it is partitioned by the id's own day, so that a retry over midnight meets its first attempt, and inserts go to one place.
 */

/** @param random ten random bytes. */
export function operationId(atMs: number, random: Uint8Array): string {
  return atMs.toString(16).padStart(12, '0') + Buffer.from(random.buffer, random.byteOffset, 10).toString('hex');
}

/** When an operation id was made, in milliseconds since 1970. */
export const operationTime = (id: string): number => Number.parseInt(id.slice(0, 12), 16);

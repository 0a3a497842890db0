/**
 * Operation ids: 48 bits of time (milliseconds since 1970) and 80 random bits, as 32 hex digits. The time keeps the table of remembered
 * operations cheap: it is partitioned by the id's day, so a retry after midnight finds its first attempt, and inserts stay in one partition.
 */

/** @param random ten random bytes. */
export function operationId(atMs: number, random: Uint8Array): string {
  return atMs.toString(16).padStart(12, '0') + Buffer.from(random.buffer, random.byteOffset, 10).toString('hex');
}

/** The time when an operation id was generated, in milliseconds since 1970. */
export const operationTime = (id: string): number => Number.parseInt(id.slice(0, 12), 16);

import { hash } from 'node:crypto';

/** Slots of the journal. A partition is a slot modulo their number, which is a power of two up to this. */
export const SLOTS = 256;

/** The slot of an element: the first two bytes of SHA-256 over its id (UTF-8), big-endian, modulo 256. Stored with each change. */
export const slotOf = (id: string): number => hash('sha256', id, 'buffer').readUInt16BE(0) % SLOTS;

/** The partition of a slot, for a journal with `partitions` (a power of two up to 256) of them. */
export const partitionOf = (slot: number, partitions: number): number => slot % partitions;

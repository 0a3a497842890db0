import { statfsSync } from 'node:fs';

const FOLDER = '/dev/shm';
/** Linux's number of the file system that keeps files in memory (tmpfs). */
const TMPFS = 0x01021994;
/** More than twice what the servers of a whole run had at most (1.8 GiB). */
const ROOM_BYTES = 4 * 1024 ** 3;

type MemoryFolderRoom = {
  /** The number of the kind of file system. */
  readonly type: number;
  readonly freeBytes: number;
  /** What this process can still get of the machine's memory. */
  readonly availableBytes: number;
};

/**
 * A folder whose files are in memory, where to sync a file takes no time; undefined if this machine has none with room for the servers of the
 * tests. What was written there outlives the processes that wrote it, as it would on a disk.
 */
export function memoryFolder(look: (folder: string) => MemoryFolderRoom | undefined = roomIn): string | undefined {
  const room = look(FOLDER);
  return room?.type === TMPFS && Math.min(room.freeBytes, room.availableBytes) >= ROOM_BYTES ? FOLDER : undefined;
}

function roomIn(folder: string): MemoryFolderRoom | undefined {
  try {
    const { type, bavail, bsize } = statfsSync(folder);
    return { type, freeBytes: bavail * bsize, availableBytes: process.availableMemory() };
  } catch {
    return undefined;
  }
}

/** CPU time and memory of processes and their descendants, from /proc (Linux). */
import { readdirSync, readFileSync } from 'node:fs';
import { statFields } from '@polyedge/testkit/servers/processes';

/** `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Stat {
  readonly parent: number;
  /** Own time and that of children that have ended, in ticks. */
  readonly ticks: number;
}

function statOf(pid: number): Stat | undefined {
  const fields = statFields(pid);
  return fields === undefined
    ? undefined
    : { parent: Number(fields[1]), ticks: [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) };
}

/** The processes and all their descendants, with their figures. */
function trees(roots: readonly number[]): Map<number, Stat> {
  const all = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat !== undefined) all.set(Number(name), stat);
  }
  const found = new Map<number, Stat>();
  const belongs = (pid: number): boolean => {
    for (let at = pid, depth = 0; at > 1 && depth < 32; depth += 1) {
      if (roots.includes(at)) return true;
      at = all.get(at)?.parent ?? 0;
    }
    return false;
  };
  for (const [pid, stat] of all) if (belongs(pid)) found.set(pid, stat);
  return found;
}

/** The processes and their descendants. */
export const pidsBelow = (roots: readonly number[]): readonly number[] => [...trees(roots).keys()];

/** Microseconds of CPU that the processes and their descendants have used since they started. A tick is 10 ms: measure for seconds. */
export function cpuMicroseconds(roots: readonly number[]): number {
  let ticks = 0;
  for (const stat of trees(roots).values()) ticks += stat.ticks;
  return (ticks * 1_000_000) / TICKS_PER_SECOND;
}

/** Resident bytes: all of a single process; proportional for a tree, because PostgreSQL's processes share most of their pages. */
export function residentBytes(root: number): number {
  const pids = [...trees([root]).keys()];
  const field = pids.length > 1 ? 'Pss' : 'Rss';
  let kib = 0;
  for (const pid of pids) {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      kib += Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
    } catch {
      // Ended in the meantime.
    }
  }
  return kib * 1024;
}

/** What several processes have used so far, by name. */
export function cpuByName(pids: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMicroseconds([pid])]));
}

/** Microseconds per unit of work between two samples, by name and in total. */
export function cpuPerUnit(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  units: number,
): { readonly cpuUs: number; readonly parts: Readonly<Record<string, number>> } {
  const parts = Object.fromEntries(Object.entries(after).map(([name, us]) => [name, (us - (before[name] ?? 0)) / units]));
  return { cpuUs: Object.values(parts).reduce((sum, us) => sum + us, 0), parts };
}

/** Mebibytes of several processes. */
export function residentMiB(pids: Readonly<Record<string, number>>): number {
  return Object.values(pids).reduce((sum, pid) => sum + residentBytes(pid), 0) / 1024 / 1024;
}

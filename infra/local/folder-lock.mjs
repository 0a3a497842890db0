// A lock between processes of one machine that needs no clean-up: it names its holder, and is valid only while that process is alive.
// JavaScript, because the bootstrap needs it before there is a Node that strips types.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Takes the lock `file`. Waits at most `waitMs` for a living holder, whose process id is passed to `onWait` once.
 * Resolves to a function that releases it, or to undefined if the holder kept it.
 * @param {string} file
 * @param {{ waitMs?: number, onWait?: (holder: number) => void }} [options]
 * @returns {Promise<(() => void) | undefined>}
 */
export async function lockFolder(file, { waitMs = 0, onWait = () => {} } = {}) {
  const until = performance.now() + waitMs;
  const own = `${file}.${process.pid}`;
  const holder = `${process.pid} ${startOf(process.pid) ?? ''}`;
  let told = false;
  for (;;) {
    writeFileSync(own, holder);
    try {
      // A link creates the complete file under its name or fails: no process can read a partial lock.
      linkSync(own, file);
      return () => {
        if (read(file) === holder) rmSync(file, { force: true });
      };
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    } finally {
      rmSync(own, { force: true });
    }
    const seen = read(file);
    if (seen === undefined) continue;
    if (!lives(seen)) {
      removeStale(file, seen);
      continue;
    }
    if (performance.now() >= until) return undefined;
    if (!told) onWait(Number(seen.split(' ')[0]));
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Removes the lock only if it is still the stale one; a new one taken in the meantime is restored. */
function removeStale(file, seen) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (read(aside) !== seen) linkSync(aside, file);
  } catch {
    // Another process removed or replaced it first.
  } finally {
    rmSync(aside, { force: true });
  }
}

function lives(holder) {
  const [pid = '', start = ''] = holder.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  // The same id with another start time is another process.
  const now = startOf(Number(pid));
  return now === undefined || start === '' || now === start;
}

/** The start time of the process, in the kernel's ticks; undefined if the system does not expose it. */
function startOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Shrinks a failing history to the events that the failure needs. */
import { type SystemHistory, type SystemTold, SystemWorld } from './system-world.ts';

/** Maximum attempts; each takes some tenths of a second. */
const MAX_TRIES = 200;

/** @param history a failing one. @returns the smallest set of its events found that fails, with its result */
export async function shrunk(history: SystemHistory): Promise<{ readonly kept: readonly number[]; readonly told: SystemTold }> {
  let kept: readonly number[] = history.kept ?? Array.from({ length: history.events }, (_, at) => at);
  let told = await new SystemWorld({ ...history, kept }).run();
  let tries = 0;
  const fails = async (fewer: readonly number[]): Promise<boolean> => {
    tries += 1;
    const shorter = await new SystemWorld({ ...history, kept: fewer }).run();
    if (shorter.problem === undefined) return false;
    kept = fewer;
    told = shorter;
    return true;
  };
  // Events after the failure are not needed.
  for (let size = kept.length >> 1; size > 0 && tries < MAX_TRIES; size >>= 1)
    while (kept.length > size && (await fails(kept.slice(0, -size))));
  for (let size = kept.length >> 1; size > 0 && tries < MAX_TRIES; size >>= 1) {
    for (let at = 0; at < kept.length && tries < MAX_TRIES; )
      if (!(await fails([...kept.slice(0, at), ...kept.slice(at + size)]))) at += size;
  }
  return { kept, told };
}

/** Formats and parses event numbers: `0-3,7`. */
export function rangesOf(numbers: readonly number[]): string {
  const ranges: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (numbers[end + 1] === (numbers[end] ?? 0) + 1) end += 1;
    ranges.push(end === at ? `${numbers[at]}` : `${numbers[at]}-${numbers[end]}`);
    at = end + 1;
  }
  return ranges.join();
}

export function numbersOf(ranges: string): number[] {
  return ranges.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
}

/** How long tests wait for a condition: long enough for a machine with other work, short enough to see what did not happen. */
export const PATIENCE_MS = 60_000;
/** It looks after one millisecond, then after twice as long, up to this. */
const LOOK_EVERY_MS = 16;

type Patience = {
  /** Printed with the error: what there was instead. */
  readonly seen?: () => unknown;
  /** Whether an error of `holds` means that it does not hold yet; otherwise it is thrown at once. */
  readonly mayThrow?: boolean;
  /** Milliseconds after which it gives up; a minute unless told. */
  readonly withinMs?: number;
};

/**
 * Waits until `holds` returns something other than false, null and undefined, and returns that. It is asked at once, soon again,
 * and then every 16 ms; once more when the time is over.
 * @param what the condition as a sentence, for the error: 'the group begins at the oldest event'
 * @throws an error with that sentence when it does not hold in time
 */
export async function until<T>(
  what: string,
  holds: () => T | Promise<T>,
  { seen, mayThrow = false, withinMs = PATIENCE_MS }: Patience = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + withinMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, LOOK_EVERY_MS)) {
    const isLast = performance.now() >= deadline;
    let found: T | undefined;
    let cause: unknown;
    try {
      found = await holds();
    } catch (error) {
      if (!mayThrow) throw error;
      cause = error;
    }
    if (found !== false && found !== null && found !== undefined) return found as Exclude<T, false | null | undefined>;
    if (isLast) throw new Error(`not within ${withinMs / 1000} s: ${what}${seen === undefined ? '' : `\n${shown(seen())}`}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value)));

/** How long tests wait for a condition: long enough for a machine with other work, short enough to see what did not happen. */
export const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 10;

type Patience = {
  /** Printed with the error: what there was instead. */
  readonly seen?: () => unknown;
  /** Milliseconds after which it gives up; a minute unless told. */
  readonly withinMs?: number;
};

/**
 * Waits until `holds` returns something other than false, null and undefined, and returns that. It is asked every ten milliseconds, and
 * once more when the time is over.
 * @param what the condition as a sentence, for the error: 'the group begins at the oldest event'
 * @throws an error with that sentence when it does not hold in time, and whatever `holds` throws
 */
export async function until<T>(
  what: string,
  holds: () => T | Promise<T>,
  { seen, withinMs = PATIENCE_MS }: Patience = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const isLast = performance.now() >= deadline;
    const found = await holds();
    if (found !== false && found !== null && found !== undefined) return found as Exclude<T, false | null | undefined>;
    if (isLast) throw new Error(`not within ${withinMs / 1000} s: ${what}${seen === undefined ? '' : `\n${shown(seen())}`}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value)));

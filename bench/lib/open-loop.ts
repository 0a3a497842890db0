/** Work that begins at fixed times, whether or not what was begun before has ended: waiting in a queue counts as latency. */

/**
 * Begins `perSecond` × `ms` / 1000 things evenly; `begin` gets each one's own due time (of `performance.now()`). Resolves when the last was begun.
 */
export function openLoop(perSecond: number, ms: number, begin: (due: number) => void): Promise<void> {
  const first = performance.now() + 5;
  const total = Math.round((perSecond * ms) / 1000);
  let begun = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      while (begun < total && first + (begun * 1000) / perSecond <= now) {
        begin(first + (begun * 1000) / perSecond);
        begun += 1;
      }
      if (begun < total) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
}

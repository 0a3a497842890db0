/** An open loop: work starts at fixed times, whether or not earlier work has ended, so that queueing counts as latency. */

/**
 * Starts `perSecond` × `ms` / 1000 requests evenly; `begin` receives the due time of each (of `performance.now()`). Resolves when the last has started.
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

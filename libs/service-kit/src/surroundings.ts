/** Time and chance as the drivers of machines take them, so that simulations can give their own. */

/** `after` and `every` return what cancels them. */
export interface Surroundings {
  /** Milliseconds from any beginning, never going back. */
  now(): number;
  /** 0 ≤ x < 1. */
  random(): number;
  /** Runs it when what has arrived was read. */
  soon(run: () => void): void;
  after(ms: number, run: () => void): () => void;
  every(ms: number, run: () => void): () => void;
}

/** Those of the process. Its timers do not keep the process alive. */
export const processSurroundings: Surroundings = {
  now: () => performance.now(),
  random: () => Math.random(),
  soon: (run) => {
    setImmediate(run);
  },
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

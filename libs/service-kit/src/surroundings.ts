/** Time and randomness for the drivers of machines, replaceable in simulations. */

/** `after` and `every` return a function that cancels them. */
export interface Surroundings {
  /** Milliseconds from an arbitrary origin, never decreasing. */
  now(): number;
  /** 0 ≤ x < 1. */
  random(): number;
  /** Runs it after the input that has arrived is processed. */
  soon(run: () => void): void;
  after(ms: number, run: () => void): () => void;
  every(ms: number, run: () => void): () => void;
}

/** Those of the process. The timers do not keep the process alive. */
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

/** A closed loop: a fixed number of requests in flight; each answer starts the next one. */
import { Latencies } from './statistics.ts';

export interface LoopResult {
  readonly latencies: Latencies;
  /** Answered in the measured time. */
  readonly done: number;
  /** Answered in total, warm-up and end included. */
  readonly answered: number;
  /** Not answered within the grace period after the end. */
  readonly lost: number;
  readonly seconds: number;
  /** CPU seconds of this process in the measured time. */
  readonly driverSeconds: number;
}

const GRACE_MS = 15_000;

/**
 * @param start starts the n-th request and calls back with a failure or nothing; failures end the loop with an error
 * @param measured called at the beginning of the measured time and at its end
 */
export async function closedLoop(options: {
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly ms: number;
  readonly start: (lane: number, answered: (failure: string | undefined) => void) => void;
  readonly measured: (edge: 'begin' | 'end') => void;
}): Promise<LoopResult> {
  const latencies = new Latencies();
  let running = true;
  let measuring = false;
  let outstanding = 0;
  let answeredCount = 0;
  let problem: string | undefined;
  let idle: () => void = () => {};
  const turn = (lane: number): void => {
    const began = performance.now();
    outstanding += 1;
    options.start(lane, (failure) => {
      outstanding -= 1;
      answeredCount += 1;
      problem ??= failure;
      if (measuring) latencies.add(performance.now() - began);
      if (running && failure === undefined) turn(lane);
      else if (outstanding === 0) idle();
    });
  };
  for (let lane = 0; lane < options.inFlight; lane += 1) turn(lane);
  await new Promise((resolve) => setTimeout(resolve, options.warmUpMs));
  options.measured('begin');
  const driver = process.cpuUsage();
  const began = performance.now();
  measuring = true;
  await new Promise((resolve) => setTimeout(resolve, options.ms));
  measuring = false;
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(driver);
  options.measured('end');
  running = false;
  if (outstanding > 0) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GRACE_MS);
      idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  if (problem !== undefined) throw new Error(`a request failed: ${problem}`);
  return {
    latencies,
    answered: answeredCount,
    done: latencies.count,
    lost: outstanding,
    seconds,
    driverSeconds: (used.user + used.system) / 1_000_000,
  };
}

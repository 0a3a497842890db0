/**
 * The live runners of scripts and jobs, which announce themselves every second. Without one, everything works except running code. Only
 * for the notices: a request to a runner needs no announcement, because NATS says at once whether there is one.
 */
import { runnerAlive } from '@polyedge/contracts/bus/runner';
import { sagaError } from '@polyedge/saga/errors';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';

/** A runner without an announcement for this long is gone. */
const GONE_MS = 5000;

export const NO_RUNNER = sagaError(503, 'no runner');

export class Runners {
  #heardAt = Number.NEGATIVE_INFINITY;
  readonly #subscription: Subscription;
  readonly #now: () => number;

  constructor(bus: Bus, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#subscription = bus.subscribe(runnerAlive, runnerAlive.pattern({}), () => {
      this.#heardAt = now();
    });
  }

  /** Additional lines of `/readyz`. */
  notices(): readonly string[] {
    return this.#now() - this.#heardAt <= GONE_MS ? [] : ['no runner: scripts and jobs do not run'];
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

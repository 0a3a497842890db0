/** The live runners of scripts and jobs, which announce themselves every second. Without one, everything works except running code. */
import { runnerAlive } from '@polyedge/contracts/bus/runner';
import { sagaError } from '@polyedge/saga/errors';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';

/** A runner without an announcement for this long is gone. */
const GONE_MS = 5000;
const MAX_KNOWN = 1000;

export const NO_RUNNER = sagaError(503, 'no runner');

export class Runners {
  readonly #lastSeen = new Map<string, { readonly at: number; readonly packages: boolean }>();
  readonly #subscription: Subscription;
  readonly #now: () => number;

  constructor(bus: Bus, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#subscription = bus.subscribe(runnerAlive, runnerAlive.pattern({}), ({ instance, packages }) => {
      if (this.#lastSeen.size < MAX_KNOWN || this.#lastSeen.has(instance)) this.#lastSeen.set(instance, { at: now(), packages });
    });
  }

  get count(): number {
    const now = this.#now();
    for (const [instance, { at }] of this.#lastSeen) if (now - at > GONE_MS) this.#lastSeen.delete(instance);
    return this.#lastSeen.size;
  }

  /** Whether a runner installs packages. */
  get packages(): boolean {
    return this.count > 0 && [...this.#lastSeen.values()].some(({ packages }) => packages);
  }

  /** Additional lines of `/readyz`. */
  notices(): readonly string[] {
    return this.count > 0 ? [] : ['no runner: scripts and jobs do not run'];
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

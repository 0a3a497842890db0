/**
 * The live runners of scripts and jobs, which announce themselves every second. Without one, everything works except running code. A request
 * to a runner needs no announcement: NATS says at once whether there is one.
 */
import { runnerAlive } from '@polyedge/contracts/bus/runner';
import { sagaError } from '@polyedge/saga/errors';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';

/** A runner without an announcement for this long is gone. */
const GONE_MS = 5000;
const MAX_KNOWN = 1000;

export const NO_RUNNER = sagaError(503, 'no runner');

interface Seen {
  readonly at: number;
  readonly packages: boolean;
  /** Undefined: it does not say. */
  readonly tenants: ReadonlySet<string> | undefined;
}

export class Runners {
  readonly #lastSeen = new Map<string, Seen>();
  readonly #subscription: Subscription;
  readonly #now: () => number;

  constructor(bus: Bus, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#subscription = bus.subscribe(runnerAlive, runnerAlive.pattern({}), ({ instance, packages, tenants }) => {
      if (this.#lastSeen.size >= MAX_KNOWN && !this.#lastSeen.has(instance)) return;
      this.#lastSeen.set(instance, { at: now(), packages, tenants: tenants && new Set(tenants) });
    });
  }

  /** Whether one works for an organization. */
  workFor(tenant: string): boolean {
    return this.#of(tenant).length > 0;
  }

  /** Whether one that works for an organization installs packages. */
  installFor(tenant: string): boolean {
    return this.#of(tenant).some(({ packages }) => packages);
  }

  /** Additional lines of `/readyz`. */
  notices(): readonly string[] {
    return this.#living().length > 0 ? [] : ['no runner: scripts and jobs do not run'];
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #of(tenant: string): Seen[] {
    return this.#living().filter(({ tenants }) => tenants === undefined || tenants.has(tenant));
  }

  #living(): Seen[] {
    const now = this.#now();
    for (const [instance, { at }] of this.#lastSeen) if (now - at > GONE_MS) this.#lastSeen.delete(instance);
    return [...this.#lastSeen.values()];
  }
}

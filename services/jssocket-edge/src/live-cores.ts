/** Announces this edge's cores to the other edges, and updates the rotation from their announcements. */
import { jssocketCores } from '@polyedge/contracts/bus/jssocket';
import { type Wheel, WheelTimer } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Rotation } from './protocol/rotation.ts';

const EVERY_MS = 1000;

export interface LiveCoresOptions {
  readonly bus: Bus;
  readonly wheel: Wheel;
  readonly tenant: string;
  readonly tag: string;
  readonly rotation: Rotation;
  readonly cores: () => string[];
}

export class LiveCores {
  readonly #options: LiveCoresOptions;
  readonly #timer = new WheelTimer(() => this.announce());
  readonly #subscription: { unsubscribe(): void };
  #stopped = false;

  constructor(options: LiveCoresOptions) {
    const { bus, tenant, tag, rotation, wheel } = options;
    this.#options = options;
    this.#subscription = bus.subscribe(jssocketCores, jssocketCores.pattern({ tenant }), (body) => {
      if (body.edge === tag) return;
      // An edge that has just started does not know our cores yet.
      if (rotation.announce(body, wheel.clock.now())) this.announce();
    });
    this.announce();
  }

  /** Announces this edge's cores, and repeats it every second. */
  announce(leaving = false): void {
    if (this.#stopped) return;
    const { bus, wheel, tenant, tag, rotation, cores } = this.#options;
    const body = { edge: tag, cores: leaving ? [] : cores(), ...(leaving ? { leaving } : {}) };
    rotation.announce(body, wheel.clock.now());
    bus.publish(jssocketCores, { tenant }, body);
    wheel.set(this.#timer, EVERY_MS);
  }

  stop(): void {
    this.announce(true);
    this.#stopped = true;
    this.#subscription.unsubscribe();
    this.#options.wheel.clear(this.#timer);
  }
}

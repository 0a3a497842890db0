/** A client that writes one change after the other, without retries, and records the longest time without an acknowledgement. */
import { graphMutate } from '@polyedge/contracts/bus/graph';
import type { Bus } from '@polyedge/service-kit/bus';
import { requestOf } from '../../services/graph-store/test/running-store.ts';

const EVERY_MS = 20;
const TIMEOUT_MS = 1000;

export class Probe {
  readonly #bus: Bus;
  readonly #tenant: string;
  readonly #done: Promise<void>;
  #longestMs = 0;
  #stopped = false;
  #disposed = false;

  constructor(bus: Bus, tenant: string) {
    this.#bus = bus;
    this.#tenant = tenant;
    this.#done = this.#run();
  }

  /** Waits for one more acknowledgement. @returns the longest time between two */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return Math.round(this.#longestMs);
  }

  /** Ends it without another write, which might never be acknowledged after a failure. */
  [Symbol.dispose](): void {
    this.#disposed = true;
  }

  async #run(): Promise<void> {
    let last = performance.now();
    for (let acknowledged = false; !(this.#stopped && acknowledged) && !this.#disposed; ) {
      const missing = { type: 'test/Probe', id: 'probe', attributes: {} };
      const request = requestOf({ op: 'update', target: { id: 'probe' }, set: { on: Date.now() }, ifMissing: missing });
      const reply = await this.#bus.request(
        graphMutate,
        graphMutate.subject({ tenant: this.#tenant }),
        { defaultScope: 'scope', requests: [request] },
        { timeoutMs: TIMEOUT_MS },
      );
      const now = performance.now();
      acknowledged = reply.ok && reply.value.outcomes[0]?.ok === true;
      if (acknowledged) {
        this.#longestMs = Math.max(this.#longestMs, now - last);
        last = now;
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}

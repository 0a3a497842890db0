/** Signals that a socket emits and receives (Saga protocol page, 5.2). One that it receives itself is acknowledged afterwards. */
import { type SagaSignal, sagaSignal } from '@polyedge/contracts/bus/signals';
import { toSignal } from '@polyedge/saga/elements';
import type { Output } from '@polyedge/session/output';
import type { SagaOut } from './codec.ts';

/** How long an acknowledgement waits for its signal. */
const SIGNAL_MS = 2000;

export class Signals {
  readonly #out: Output<SagaOut>;
  /** Published signals that have not come back, with the task that waits for each. */
  readonly #awaited = new Map<string, string>();

  constructor(out: Output<SagaOut>) {
    this.#out = out;
  }

  /** @param waits whether the signal comes back to this socket, which then calls `received` or `late` */
  publish(task: string, signal: SagaSignal, tenant: string, waits: boolean): void {
    this.#out.effect({ do: 'publish', subject: sagaSignal.subject({ tenant, parent: signal.parent }), body: signal });
    if (!waits) return;
    this.#awaited.set(signal.id, task);
    this.#out.effect({ do: 'set-timer', name: 'signal', ms: SIGNAL_MS });
  }

  /**
   * Sends a signal to the client.
   * @returns the task that waited for it
   */
  received(signal: SagaSignal): string | undefined {
    this.#out.send({ event: '/signals', body: toSignal(signal) });
    const task = this.#awaited.get(signal.id);
    this.#awaited.delete(signal.id);
    return task;
  }

  /**
   * The timer has fired.
   * @returns the tasks that still wait
   */
  late(): readonly string[] {
    const tasks = [...this.#awaited.values()];
    this.#awaited.clear();
    return tasks;
  }
}

/**
 * Decides whether this replica accepts writes: it leaves the queue group while too many writes wait, or after its event loop was blocked (a
 * long pause of the process or its machine), so that new requests go to other replicas, and rejoins afterwards.
 */
import type { Responder } from '@polyedge/service-kit/bus';

const TICK_MS = 100;
/** A tick later than this is a stall: half of the 2 s after which callers retry has passed. */
const STALL_MS = 1000;
/** Number of consecutive punctual ticks after which the event loop counts as running again. */
const TICKS_IN_TIME = 3;

export interface AdmissionStats {
  stalls: number;
}

export class AdmissionControl {
  readonly stats: AdmissionStats = { stalls: 0 };
  readonly #responder: Pick<Responder, 'leave' | 'join'>;
  readonly #now: () => number;
  #overloaded = false;
  #stalled = false;
  #ended = false;
  #tickedAt: number;
  #inTime = 0;
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param now milliseconds of a monotonic clock; tests pass their own and call `tick` themselves */
  constructor(responder: Pick<Responder, 'leave' | 'join'>, now?: () => number) {
    this.#responder = responder;
    this.#now = now ?? (() => performance.now());
    this.#tickedAt = this.#now();
    if (now === undefined) this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  overloaded(overloaded: boolean): void {
    this.#change(overloaded, this.#stalled);
  }

  /** Leaves forever, because the process ends. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#responder.leave();
  }

  tick(): void {
    const at = this.#now();
    const late = at - this.#tickedAt - TICK_MS;
    this.#tickedAt = at;
    if (late > STALL_MS) {
      this.stats.stalls += 1;
      this.#inTime = 0;
      this.#change(this.#overloaded, true);
      return;
    }
    if (!this.#stalled) return;
    this.#inTime = late < TICK_MS ? this.#inTime + 1 : 0;
    if (this.#inTime >= TICKS_IN_TIME) this.#change(this.#overloaded, false);
  }

  #change(overloaded: boolean, stalled: boolean): void {
    const took = !this.#overloaded && !this.#stalled;
    this.#overloaded = overloaded;
    this.#stalled = stalled;
    const takes = !overloaded && !stalled;
    if (this.#ended || took === takes) return;
    if (takes) this.#responder.join();
    else this.#responder.leave();
  }
}

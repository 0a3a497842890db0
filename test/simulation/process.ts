/** A process of the simulated system: it may stand still, and it may end. */
import type { BusProcess } from '@polyedge/simulation/nats-model-bus';
import type { VirtualTime } from '@polyedge/simulation/virtual-time';

/** 2026: times of the simulation are times of day as well. */
const EPOCH_MS = 1_767_225_600_000;
const LEAST_MS = 1 / 1024;

export class Process implements BusProcess {
  readonly service: string;
  readonly name: string;
  readonly #time: VirtualTime;
  /** Its monotonic clock does not count while it stands still: a mistake that a test plants. */
  readonly #clockStops: boolean;
  #isDead = false;
  #frozenUntil = 0;
  #stoodStillMs = 0;
  /** What was to run while it stood still, in that order. */
  #waiting: { run: () => void }[] = [];
  /** What its wall clock shows too much. */
  wallAheadMs = 0;

  constructor(time: VirtualTime, service: string, name: string, clockStops = false) {
    this.#time = time;
    this.service = service;
    this.name = name;
    this.#clockStops = clockStops;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Its monotonic clock. */
  readonly now = (): number => this.#time.now - this.#stoodStillMs;

  /** Milliseconds since 1970 that do not jump: what the driver of an edge goes by. */
  readonly date = (): number => EPOCH_MS + this.now();

  /** Its wall clock. */
  readonly wall = (): number => Math.floor(EPOCH_MS + this.#time.now + this.wallAheadMs);

  kill(): void {
    this.#isDead = true;
  }

  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#time.now + ms);
    if (this.#clockStops) this.#stoodStillMs += ms;
  }

  /** It stands still no longer. */
  goOn(): void {
    this.#frozenUntil = this.#time.now;
    for (const { run } of this.#waiting.splice(0)) this.run(run);
  }

  run(work: () => void): void {
    if (this.#isDead) return;
    if (this.#frozenUntil <= this.#time.now) {
      work();
      return;
    }
    // Behind what waits already.
    const waiting = { run: work };
    this.#waiting.push(waiting);
    this.#time.after(this.#frozenUntil - this.#time.now, () => {
      const at = this.#waiting.indexOf(waiting);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      this.run(work);
    });
  }

  after(ms: number, work: () => void): () => void {
    // What a clock that was stopped counts up to a moment may be less than what time can tell apart: it would never come.
    const delay = this.#clockStops && ms > 0 ? Math.max(ms, LEAST_MS) : ms;
    return this.#time.after(delay, () => this.run(work));
  }

  readonly soon = (work: () => void): void => {
    this.after(0, work);
  };

  every(ms: number, work: () => void): () => void {
    let cancel = (): void => {};
    const next = (): void => {
      cancel = this.after(ms, () => {
        next();
        work();
      });
    };
    next();
    return () => cancel();
  }
}

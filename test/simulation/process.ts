/** A process of the simulated system, which can be suspended and killed. */
import type { BusProcess } from '@polyedge/simulation/nats-model-bus';
import type { VirtualTime } from '@polyedge/simulation/virtual-time';

/** In 2026: the time at which every simulation starts. */
const EPOCH_MS = 1_767_225_600_000;
const LEAST_MS = 1 / 1024;

export class Process implements BusProcess {
  readonly service: string;
  readonly name: string;
  readonly #time: VirtualTime;
  /** A planted mistake: its monotonic clock stops while it is suspended. */
  readonly #clockStops: boolean;
  #isDead = false;
  #frozenUntil = 0;
  #stoodStillMs = 0;
  /** Work that became due while it was suspended, in order. */
  #waiting: { run: () => void }[] = [];
  /** How far its wall clock is ahead. */
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

  /** Milliseconds since 1970, without the jumps of the wall clock: the driver's time. */
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

  /** Resumes the process. */
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
    // After the work that is waiting already.
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
    // For a clock that was stopped, the remaining time may be below the resolution of virtual time: it would never elapse.
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

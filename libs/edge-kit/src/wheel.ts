/**
 * One timing wheel for all timers of all connections: setting, moving and clearing a timer costs a few assignments, and the process has one
 * system timer instead of one per connection.
 *
 * Timers never fire early, and at most one tick plus the event loop's delay late.
 */

/** The edge's clock. It never goes back, so sessions may compare its times. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once, not before `at`. Returns a function that cancels it. */
  wakeAt(at: number, callback: () => void): () => void;
}

/** The monotonic clock of the machine, anchored to the wall clock at process start. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  wakeAt: (at, callback) => {
    const timer = setTimeout(callback, Math.max(1, Math.ceil(at - systemClock.now()))).unref();
    return () => clearTimeout(timer);
  },
};

/** A timer on the wheel. Owned by its user; only the wheel reads it. */
export class WheelTimer {
  readonly callback: () => void;
  due = 0;
  /** The tick of its slot, at or before its due tick; -1 if it is not on the wheel. */
  tick = -1;
  next: WheelTimer | undefined = undefined;
  previous: WheelTimer | undefined = undefined;

  constructor(callback: () => void) {
    this.callback = callback;
  }

  get pending(): boolean {
    return this.tick >= 0;
  }
}

const SLOTS = 1024;

export class Wheel {
  readonly clock: Clock;
  readonly #tickMs: number;
  readonly #origin: number;
  readonly #slots: (WheelTimer | undefined)[] = new Array<WheelTimer | undefined>(SLOTS).fill(undefined);
  /** The next tick to handle. */
  #current = 0;
  #count = 0;
  #wakeTick = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | undefined;
  #running = false;

  constructor(clock: Clock, tickMs = 10) {
    this.clock = clock;
    this.#tickMs = tickMs;
    this.#origin = clock.now();
  }

  /** Number of pending timers. */
  get size(): number {
    return this.#count;
  }

  /** Sets or moves a timer to `ms` from now. A timer that moves later stays in its slot and is moved when that slot's tick comes. */
  set(timer: WheelTimer, ms: number): void {
    timer.due = this.clock.now() + Math.max(0, ms);
    const tick = this.#tickOf(timer.due);
    if (timer.pending) {
      if (timer.tick <= tick) return;
      this.#unlink(timer);
    }
    if (this.#count === 0 && !this.#running) this.#current = this.#nowTick();
    this.#link(timer, tick);
    if (!this.#running && timer.tick < this.#wakeTick) this.#wake(timer.tick);
  }

  clear(timer: WheelTimer): void {
    if (timer.pending) this.#unlink(timer);
  }

  /** Stops the wheel; pending timers never fire. */
  stop(): void {
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeTick = Number.POSITIVE_INFINITY;
  }

  #nowTick(): number {
    return Math.floor((this.clock.now() - this.#origin) / this.#tickMs);
  }

  /** The first tick at which `due` has passed. */
  #tickOf(due: number): number {
    return Math.max(0, Math.ceil((due - this.#origin) / this.#tickMs));
  }

  #link(timer: WheelTimer, tick: number): void {
    // A timer more than one turn ahead is put into the farthest slot and moved on when that slot's tick comes. Two short of a turn, because
    // `current` is one ahead while a slot is being emptied, and nothing may be added to that slot.
    timer.tick = Math.min(Math.max(tick, this.#current), this.#current + SLOTS - 2);
    const slot = timer.tick % SLOTS;
    const head = this.#slots[slot];
    timer.next = head;
    timer.previous = undefined;
    if (head !== undefined) head.previous = timer;
    this.#slots[slot] = timer;
    this.#count += 1;
  }

  #unlink(timer: WheelTimer): void {
    if (timer.previous !== undefined) timer.previous.next = timer.next;
    else this.#slots[timer.tick % SLOTS] = timer.next;
    if (timer.next !== undefined) timer.next.previous = timer.previous;
    timer.next = undefined;
    timer.previous = undefined;
    timer.tick = -1;
    this.#count -= 1;
  }

  #wake(tick: number): void {
    this.#cancelWake?.();
    this.#wakeTick = tick;
    this.#cancelWake = this.clock.wakeAt(this.#origin + tick * this.#tickMs, () => {
      this.#cancelWake = undefined;
      this.#wakeTick = Number.POSITIVE_INFINITY;
      this.#run();
    });
  }

  #run(): void {
    const until = this.#nowTick();
    this.#running = true;
    try {
      while (this.#current <= until && this.#count > 0) {
        const tick = this.#current;
        for (;;) {
          // Taken one by one from the head: a callback may set and clear any timer, also of this slot.
          const timer = this.#slots[tick % SLOTS];
          if (timer === undefined) break;
          this.#unlink(timer);
          const dueTick = this.#tickOf(timer.due);
          if (dueTick > tick) {
            this.#current = tick + 1;
            this.#link(timer, dueTick);
            this.#current = tick;
          } else {
            // Timers set by the callbacks of a tick belong to a later tick; otherwise a timer set to 0 would loop forever.
            this.#current = tick + 1;
            timer.callback();
            this.#current = tick;
          }
        }
        this.#current = tick + 1;
      }
      if (this.#count === 0) this.#current = Math.max(this.#current, until);
    } finally {
      this.#running = false;
      this.#arm();
    }
  }

  #arm(): void {
    if (this.#count === 0) return;
    for (let ahead = 0; ahead < SLOTS; ahead += 1) {
      const tick = this.#current + ahead;
      if (this.#slots[tick % SLOTS] !== undefined) {
        this.#wake(tick);
        return;
      }
    }
  }
}

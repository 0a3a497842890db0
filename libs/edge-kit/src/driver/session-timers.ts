/** The named waits of one session: timers, and waits until frames have left this process. Both are delivered as `timer` inputs. */
import { type Wheel, WheelTimer } from '../wheel.ts';

export class SessionTimers {
  readonly #wheel: Wheel;
  readonly #most: number;
  readonly #due: (name: string) => void;
  readonly #timers = new Map<string, WheelTimer>();
  /** Unsent bytes at which each wait ends; created on first use, as most sessions never need it. */
  #reads: Map<string, number> | undefined;

  /** @param most maximum number of names of each kind; exceeding it is a bug and throws */
  constructor(wheel: Wheel, most: number, due: (name: string) => void) {
    this.#wheel = wheel;
    this.#most = most;
    this.#due = due;
  }

  set(name: string, ms: number): void {
    let timer = this.#timers.get(name);
    if (timer === undefined) {
      if (this.#timers.size >= this.#most) throw new Error('a session set too many different timers');
      timer = new WheelTimer(() => this.#due(name));
      this.#timers.set(name, timer);
    }
    this.#wheel.set(timer, ms);
  }

  clear(name: string): void {
    const timer = this.#timers.get(name);
    if (timer !== undefined) this.#wheel.clear(timer);
  }

  /** Fires, once, when `bytes` or fewer of the `owed` ones are unsent, which may be now. */
  whenFlushed(name: string, bytes: number, owed: number): void {
    if (owed <= bytes) {
      this.#due(name);
      return;
    }
    this.#reads ??= new Map();
    if (this.#reads.size >= this.#most) throw new Error('a session waits for its client under too many different names');
    this.#reads.set(name, bytes);
  }

  /** Some buffered bytes may have been written. */
  flushed(owed: () => number): void {
    for (const [name, bytes] of this.#reads ?? []) {
      if (owed() > bytes) continue;
      this.#reads?.delete(name);
      this.#due(name);
    }
  }

  end(): void {
    for (const timer of this.#timers.values()) this.#wheel.clear(timer);
    this.#timers.clear();
    this.#reads = undefined;
  }
}

/** Pauses and resumes reading from a connection. Reading stops while any of several reasons applies; TCP pushes back meanwhile. */
import { Budget, type Limits } from '../limits.ts';
import { type Wheel, WheelTimer } from '../wheel.ts';

export const BY_SESSION = 1;
export const BY_WORK = 2;
const BY_RATE = 4;
export const BY_OUTPUT = 8;

export class ReadControl {
  readonly #wire: { pause(): void; resume(): void };
  readonly #wheel: Wheel;
  readonly #read: () => void;
  readonly #frames: Budget;
  readonly #bytes: Budget;
  #reasons = 0;
  #paused = false;
  #rateTimer: WheelTimer | undefined;

  /** @param read handles messages that arrived before reading was paused, before new ones are read */
  constructor(wire: { pause(): void; resume(): void }, wheel: Wheel, limits: Limits, read: () => void) {
    const at = wheel.clock.now();
    this.#wire = wire;
    this.#wheel = wheel;
    this.#read = read;
    this.#frames = new Budget(limits.framesPerSecond, at);
    this.#bytes = new Budget(limits.bytesPerSecond, at);
  }

  get stopped(): boolean {
    return this.#reasons !== 0;
  }

  /** Counts a message; returns the milliseconds to wait before handling the next, 0 for none. */
  take(bytes: number, at: number): number {
    return Math.max(this.#frames.take(1, at), this.#bytes.take(bytes, at));
  }

  /** Pauses for `ms`; false if already paused for the rate. */
  stopForRate(ms: number): boolean {
    const first = (this.#reasons & BY_RATE) === 0;
    this.#rateTimer ??= new WheelTimer(() => this.resume(BY_RATE));
    this.#wheel.set(this.#rateTimer, ms);
    this.stop(BY_RATE);
    return first;
  }

  stop(reason: number): void {
    this.#reasons |= reason;
    if (this.#paused) return;
    this.#paused = true;
    this.#wire.pause();
  }

  resume(reason: number): void {
    if ((this.#reasons & reason) === 0) return;
    this.#reasons &= ~reason;
    // Handling the buffered messages may pause reading again.
    if (this.#reasons === 0) this.#read();
  }

  has(reason: number): boolean {
    return (this.#reasons & reason) !== 0;
  }

  /** All buffered messages have been handled: resumes the wire, unless a reason remains. */
  caughtUp(): void {
    if (this.#reasons !== 0 || !this.#paused) return;
    this.#paused = false;
    this.#wire.resume();
  }

  end(): void {
    if (this.#rateTimer !== undefined) this.#wheel.clear(this.#rateTimer);
  }
}

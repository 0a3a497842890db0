import type { Effect } from './session.ts';

const NOTHING: readonly never[] = [];

/** Collects the effects of all parts of a session while it handles one input, in order. */
export class Output<Frame> {
  #effects: Effect<Frame>[] | undefined;

  effect(effect: Effect<Frame>): void {
    if (this.#effects === undefined) this.#effects = [effect];
    else this.#effects.push(effect);
  }

  send(frame: Frame): void {
    this.effect({ do: 'send', frame });
  }

  /** Returns the effects collected since the last call. */
  take(): readonly Effect<Frame>[] {
    const effects = this.#effects ?? NOTHING;
    this.#effects = undefined;
    return effects;
  }
}

import type { Effect } from './session.ts';

const NOTHING: readonly never[] = [];

/** What a session asks for while it handles one input, collected from all its parts in the order in which they ask. */
export class Output<Frame> {
  #effects: Effect<Frame>[] | undefined;

  effect(effect: Effect<Frame>): void {
    if (this.#effects === undefined) this.#effects = [effect];
    else this.#effects.push(effect);
  }

  send(frame: Frame): void {
    this.effect({ do: 'send', frame });
  }

  /** Everything since this was last called. */
  taken(): readonly Effect<Frame>[] {
    const effects = this.#effects ?? NOTHING;
    this.#effects = undefined;
    return effects;
  }
}

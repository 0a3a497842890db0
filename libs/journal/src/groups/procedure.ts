/**
 * Work that takes several questions, one after the other: a generator that yields each question and is resumed with its outcome. It has no
 * clock and no I/O, so a run is decided by its inputs alone, and it can be ended where it stands when it is no longer wanted.
 */
import type { Outcome } from '@polyedge/contracts/errors';
import type { GroupCall, GroupReplies, GroupsEffect } from './messages.ts';

export type Procedure<Result = void> = Generator<GroupCall, Result, Outcome<unknown>>;

/** Asks one question: `const outcome = yield* ask({ call: … })`. */
export function* ask<Call extends GroupCall>(call: Call): Procedure<Outcome<GroupReplies[Call['call']]>> {
  // The driver answers every call with a reply of its own type: the one place where the two meet.
  return (yield call) as Outcome<GroupReplies[Call['call']]>;
}

/** The procedures that wait for an answer. */
export class Procedures {
  readonly #effects: GroupsEffect[];
  readonly #waiting = new Map<number, { readonly procedure: Procedure; readonly owner: object | undefined }>();
  #asks = 0;

  constructor(effects: GroupsEffect[]) {
    this.#effects = effects;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** @param owner whose end is its end (`cancel`); without one it goes on whatever happens */
  start(procedure: Procedure, owner?: object): void {
    this.#goOn(procedure, owner, procedure.next({ ok: true, value: undefined }));
  }

  answered(ask: number, outcome: Outcome<unknown>): void {
    const waiting = this.#waiting.get(ask);
    if (waiting === undefined) return;
    this.#waiting.delete(ask);
    this.#goOn(waiting.procedure, waiting.owner, waiting.procedure.next(outcome));
  }

  cancel(owner: object): void {
    for (const [ask, waiting] of this.#waiting) {
      if (waiting.owner !== owner) continue;
      this.#waiting.delete(ask);
      waiting.procedure.return();
    }
  }

  #goOn(procedure: Procedure, owner: object | undefined, { done, value }: IteratorResult<GroupCall, void>): void {
    if (done === true) return;
    this.#asks += 1;
    this.#waiting.set(this.#asks, { procedure, owner });
    this.#effects.push({ do: 'call', ask: this.#asks, call: value });
  }
}

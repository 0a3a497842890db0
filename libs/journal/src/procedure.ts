/**
 * Work that takes several questions, one after the other: a generator that yields each question and is resumed with its outcome. It has no
 * clock and no I/O, so a run is decided by its inputs alone, and it can be ended where it stands when it is no longer wanted.
 *
 * It is what a `Task` is for sessions (`libs/session/src/task.ts`). The runners differ: a machine has many procedures of one owner, which end
 * with it and have no result, and its questions are numbered; a session's tasks are named by their messages, bounded, and end in answers.
 */
import type { Outcome } from '@polyedge/contracts/errors';

export type Procedure<Call, Result = void> = Generator<Call, Result, Outcome<unknown>>;

/** How the procedures of one machine ask: `const outcome = yield* ask({ call: … })`. */
export const asking = <Calls extends { readonly call: keyof Replies }, Replies>() =>
  function* ask<Call extends Calls>(call: Call): Procedure<Calls, Outcome<Replies[Call['call']]>> {
    // The driver answers every call with a reply of its own type: the one place where the two meet.
    return (yield call) as Outcome<Replies[Call['call']]>;
  };

/** The effect by which a machine asks: its driver answers with an input of kind `answer`. */
export interface CallEffect<Call> {
  readonly do: 'call';
  readonly ask: number;
  readonly call: Call;
}

/** The procedures that wait for an answer. */
export class Procedures<Call> {
  readonly #effects: { push(effect: CallEffect<Call>): unknown };
  readonly #waiting = new Map<number, { readonly procedure: Procedure<Call>; readonly owner: object | undefined }>();
  #asks = 0;

  /** @param effects where questions are added */
  constructor(effects: { push(effect: CallEffect<Call>): unknown }) {
    this.#effects = effects;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** @param owner whose end is its end (`cancel`); without one it goes on whatever happens */
  start(procedure: Procedure<Call>, owner?: object): void {
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

  #goOn(procedure: Procedure<Call>, owner: object | undefined, { done, value }: IteratorResult<Call, void>): void {
    if (done === true) return;
    this.#asks += 1;
    this.#waiting.set(this.#asks, { procedure, owner });
    this.#effects.push({ do: 'call', ask: this.#asks, call: value });
  }
}

/**
 * Work of several calls, one after the other: a generator that yields each call and is resumed with its outcome. It has no clock and no
 * I/O, so its course depends on its inputs alone, and it can be abandoned at any point.
 *
 * It corresponds to a session's `Task` (`libs/session/src/task.ts`). The runners differ: the procedures of a machine belong to an owner,
 * end with it and have no result, and their calls are numbered; a session's tasks are named by their messages, bounded, and end in answers.
 */
import type { Outcome } from '@polyedge/contracts/errors';

export type Procedure<Call, Result = void> = Generator<Call, Result, Outcome<unknown>>;

/** Makes the function with which the procedures of one machine call: `const outcome = yield* id({ call: … })`. */
export const callFunction = <Calls extends { readonly call: keyof Replies }, Replies>() =>
  function* call<Call extends Calls>(request: Call): Procedure<Calls, Outcome<Replies[Call['call']]>> {
    // The driver answers every call with a reply of its type: this is the only cast.
    return (yield request) as Outcome<Replies[Call['call']]>;
  };

/** The effect of a call: the driver answers with an input of kind `answer`. */
export interface CallEffect<Call> {
  readonly do: 'call';
  readonly id: number;
  readonly call: Call;
}

/** The procedures that wait for an answer. */
export class Procedures<Call> {
  readonly #effects: { push(effect: CallEffect<Call>): unknown };
  readonly #waiting = new Map<number, { readonly procedure: Procedure<Call>; readonly owner: object | undefined }>();
  #calls = 0;

  /** @param effects calls are added here */
  constructor(effects: { push(effect: CallEffect<Call>): unknown }) {
    this.#effects = effects;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** @param owner `cancel` of the owner ends the procedure; without an owner it always runs to its end */
  start(procedure: Procedure<Call>, owner?: object): void {
    this.#advance(procedure, owner, procedure.next({ ok: true, value: undefined }));
  }

  resume(id: number, outcome: Outcome<unknown>): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#advance(waiting.procedure, waiting.owner, waiting.procedure.next(outcome));
  }

  cancel(owner: object): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.owner !== owner) continue;
      this.#waiting.delete(id);
      waiting.procedure.return();
    }
  }

  #advance(procedure: Procedure<Call>, owner: object | undefined, { done, value }: IteratorResult<Call, void>): void {
    if (done === true) return;
    this.#calls += 1;
    this.#waiting.set(this.#calls, { procedure, owner });
    this.#effects.push({ do: 'call', id: this.#calls, call: value });
  }
}

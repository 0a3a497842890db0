/** The questions of the executor, as steps of a procedure. */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Procedure as AnyProcedure } from '@polyedge/journal/procedure';
import type { ExecutorCall, ExecutorReplies } from './messages.ts';

export type Procedure<Result = void> = AnyProcedure<ExecutorCall, Result>;

/** Asks one question: `const outcome = yield* ask({ call: … })`. */
export function* ask<Call extends ExecutorCall>(call: Call): Procedure<Outcome<ExecutorReplies[Call['call']]>> {
  // The driver answers every call with a reply of its own type: the one place where the two meet.
  return (yield call) as Outcome<ExecutorReplies[Call['call']]>;
}

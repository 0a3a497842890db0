/** The calls of the executor, as steps of a procedure. */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Procedure as AnyProcedure } from '@polyedge/journal/procedure';
import type { ExecutorCall, ExecutorReplies } from './messages.ts';

export type Procedure<Result = void> = AnyProcedure<ExecutorCall, Result>;

/** Yields one call: `const outcome = yield* ask({ call: … })`. */
export function* ask<Call extends ExecutorCall>(call: Call): Procedure<Outcome<ExecutorReplies[Call['call']]>> {
  // The driver answers every call with its own reply type; this is the only cast.
  return (yield call) as Outcome<ExecutorReplies[Call['call']]>;
}

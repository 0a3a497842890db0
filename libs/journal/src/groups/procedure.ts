/** The calls of groups, as steps of a procedure. */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Procedure as AnyProcedure } from '../procedure.ts';
import type { GroupCall, GroupReplies } from './messages.ts';

export type Procedure<Result = void> = AnyProcedure<GroupCall, Result>;

/** Yields one call: `const outcome = yield* ask({ call: … })`. */
export function* ask<Call extends GroupCall>(call: Call): Procedure<Outcome<GroupReplies[Call['call']]>> {
  // The driver answers every call with its own reply type; this is the only cast.
  return (yield call) as Outcome<GroupReplies[Call['call']]>;
}

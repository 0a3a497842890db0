/** The calls of the publisher, as steps of a procedure. */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Procedure as AnyProcedure } from '@polyedge/journal/procedure';
import type { PublisherCall, PublisherReplies } from './messages.ts';

export type Procedure<Result = void> = AnyProcedure<PublisherCall, Result>;

/** Yields one call: `const outcome = yield* ask({ call: … })`. */
export function* ask<Call extends PublisherCall>(call: Call): Procedure<Outcome<PublisherReplies[Call['call']]>> {
  // The driver answers every call with its own reply type; this is the only cast.
  return (yield call) as Outcome<PublisherReplies[Call['call']]>;
}

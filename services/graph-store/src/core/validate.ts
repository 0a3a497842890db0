import type { MutationRequest } from '@polyedge/contracts/bus/graph';
import { failed, type Outcome } from '@polyedge/contracts/errors';

/** Refuses, before a batch is formed, what would break the whole batch's SQL or the store's limits. */
export function validate(_request: MutationRequest): Outcome<void> {
  return failed('internal');
}

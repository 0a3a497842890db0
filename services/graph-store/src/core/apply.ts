/** Applies one request to the rows a batch has loaded. */
import type { MutationRequest } from '@polyedge/contracts/bus/graph';
import type { Applied, Context } from './pending.ts';
import type { Schemas } from './schema.ts';
import type { World } from './world.ts';

/**
 * Applies a validated request, all operations or none.
 *
 * `applied`: the world has the new states, and the next request sees them. `failed`: the request broke a rule, the world is untouched.
 * `needs`: rows were missing (see `plan`, which foresees all but rare ones); load them and apply the same request again.
 */
export function applyRequest(_world: World, _request: MutationRequest, _context: Context, _schemas: Schemas): Applied {
  throw new Error('not written yet');
}

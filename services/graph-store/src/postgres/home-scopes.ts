/** The default scopes of the tenants, where elements of the other protocols' own types are (`hasHome` in core/type-rules.ts). */
import type { MutationRequest } from '@polyedge/contracts/bus/graph';
import { hasHome, hasHomeId } from '../core/type-rules.ts';
import type { Issuer } from './pipeline.ts';

const MAX_TENANTS = 10_000;

/** The xid of a tenant's default scope. */
export const scopeXid = (tenant: string): string => `scope:${tenant}`;

export class HomeScopes {
  readonly #known = new Map<string, string>();

  /** The default scope of a tenant; undefined if it has none, or if the request creates nothing that needs one. */
  async of(issuer: Issuer, tenant: string, request: MutationRequest): Promise<string | undefined> {
    if (!request.operations.some(makesAtHome)) return undefined;
    const known = this.#known.get(tenant);
    if (known !== undefined) return known;
    const [row] = await issuer.rows<{ id: string }>(
      "select id from element where tenant = $1 and type = 'ogit/Auth/DataScope' and xid = $2 and not deleted",
      [tenant, scopeXid(tenant)],
    );
    if (row === undefined) return undefined;
    if (this.#known.size >= MAX_TENANTS) this.#known.clear();
    this.#known.set(tenant, row.id);
    return row.id;
  }
}

function makesAtHome(operation: MutationRequest['operations'][number]): boolean {
  if (operation.op === 'create') return hasHome(operation.type) || (operation.id !== undefined && hasHomeId(operation.id));
  if (!('ifMissing' in operation) || operation.ifMissing === undefined) return false;
  const id = operation.ifMissing.id ?? ('id' in operation.target ? operation.target.id : undefined);
  return hasHome(operation.ifMissing.type) || (id !== undefined && hasHomeId(id));
}

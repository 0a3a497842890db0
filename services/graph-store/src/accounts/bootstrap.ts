/** The first start on an empty database: the organization `default` with its scope, and the administrator. */
import { createHash } from 'node:crypto';
import { SYSTEM_TENANT } from '@polyedge/contracts/element';
import type { Executor } from '../executor/executor.ts';
import { newCuid } from '../postgres/batch.ts';
import { scopeXid } from '../postgres/home-scopes.ts';
import type { Queries } from '../postgres/pool.ts';
import { ACCOUNT_TYPE } from './accounts.ts';
import { type AuthVertices, bootstrapRequest, failedCreation, organizationVertex, SCOPE_TYPE } from './auth-vertices.ts';
import type { Directory } from './directory.ts';

const DEFAULT_TENANT = 'default';

/** An administrator's roles in each protocol. */
const ADMINISTRATOR_ROLES = { hiro: ['admin'], saga: ['Admin'], space: ['ADMIN'], gooduncle: ['admin'], jssocket: ['admin'] };

/** The result of a start on an empty or existing database. */
export interface Bootstrapped {
  /** The id of the default organization's scope. */
  readonly defaultScope: string;
}

/**
 * Creates what is missing. Safe on several replicas at once, and repeatedly: unique keys decide which one succeeds. Throws `ConnectionLost`
 * if the database is not reachable.
 * @param administrator if absent, no account is created.
 */
export async function bootstrap(
  sql: Queries,
  executor: Executor,
  directory: Directory,
  vertices: AuthVertices,
  administrator: { readonly username: string; readonly password: string } | undefined,
): Promise<Bootstrapped> {
  const defaultScope = (await vertices.scopeOf(DEFAULT_TENANT)) ?? (await makeScope(executor, vertices));
  await vertices.moveOrganization(DEFAULT_TENANT, defaultScope);
  const [known] = await sql`select 1 from element where tenant = ${SYSTEM_TENANT} and type = ${ACCOUNT_TYPE} and not deleted limit 1`;
  if (known === undefined && administrator !== undefined) {
    const proof = createHash('sha256').update(administrator.password).digest('hex');
    const account = {
      tenant: DEFAULT_TENANT,
      username: administrator.username,
      proof,
      roles: ADMINISTRATOR_ROLES,
      defaultScope,
      scopes: ['*'],
      by: 'graph-store',
    };
    const made = await directory.create(account);
    if (!made.ok && made.failure.code !== 'conflict') throw failedCreation('the administrator', made.failure);
  }
  // For accounts that an older version created.
  await vertices.createRoles(DEFAULT_TENANT, ADMINISTRATOR_ROLES.hiro);
  return { defaultScope };
}

async function makeScope(executor: Executor, vertices: AuthVertices): Promise<string> {
  const scope = `${newCuid()}_${newCuid()}`;
  const request = bootstrapRequest([
    organizationVertex(DEFAULT_TENANT, scope),
    {
      op: 'create',
      type: SCOPE_TYPE,
      id: scope,
      scope,
      xid: scopeXid(DEFAULT_TENANT),
      attributes: { 'ogit/name': DEFAULT_TENANT, 'ogit/_organization': DEFAULT_TENANT },
    },
  ]);
  const answered = await executor.submit({
    tenant: DEFAULT_TENANT,
    defaultScope: scope,
    requests: [request],
    bytes: 1000,
    deadline: performance.now() + 10_000,
  });
  if (answered.ok && answered.value.outcomes[0]?.ok === true) return scope;
  const found = await vertices.scopeOf(DEFAULT_TENANT);
  if (found !== undefined) return found;
  const [outcome] = answered.ok ? answered.value.outcomes : [answered];
  throw failedCreation('the default scope', outcome?.ok === false ? outcome.failure : { code: 'internal' });
}

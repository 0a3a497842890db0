/**
 * The ids that HIRO's clients get besides those of accounts: the organization, under the name of its tenant, and the roles. They are plain
 * vertices of HIRO's own types, created when missing; logins do not use them.
 */
import { randomBytes } from 'node:crypto';
import { graphMutate, graphQuery, type MutationRequest, type Operation } from '@polyedge/contracts/bus/graph';
import { roleId } from '@polyedge/contracts/element';
import { errors, type Failure } from '@polyedge/contracts/errors';
import { MAIN } from '@polyedge/contracts/journal';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Executor } from '../executor/executor.ts';
import { scopeXid } from '../postgres/home-scopes.ts';
import { ConnectionLost } from '../postgres/link.ts';
import type { Queries } from '../postgres/pool.ts';

export const SCOPE_TYPE = 'ogit/Auth/DataScope';
const ORGANIZATION_TYPE = 'ogit/Auth/Organization';
const ROLE_TYPE = 'ogit/Auth/Role';
const WRITE_MS = 10_000;
/** Edges of a deleted account per write: one selects a limited number. */
const FORGOTTEN_AT_ONCE = 1000;
/** The most roles of one organization that get a vertex. */
const MAX_ROLES = 1000;

export const organizationVertex = (tenant: string, scope: string): Operation => ({
  op: 'create',
  type: ORGANIZATION_TYPE,
  id: tenant,
  scope,
  xid: `organization:${tenant}`,
  attributes: { 'ogit/name': tenant },
});

const roleVertex = (role: string, scope: string): Operation => ({
  op: 'create',
  type: ROLE_TYPE,
  id: roleId(role),
  scope,
  attributes: { 'ogit/name': role },
});

export const bootstrapRequest = (operations: Operation[]): MutationRequest => ({
  operationId: operationId(Date.now(), randomBytes(10)),
  by: 'graph-store',
  app: 'graph-store',
  origin: { protocol: 'accounts', way: 'job', operation: 'bootstrap' },
  operations,
});

/** The error of a failed write that the caller cannot do without: `ConnectionLost` if a retry may succeed. */
export function failedCreation(what: string, { code, detail = '' }: Failure): Error {
  const sentence = `${what} could not be made: ${code} ${detail}`.trim();
  return code !== 'internal' && errors[code].retry === 'later' ? new ConnectionLost(sentence) : new Error(sentence);
}

export class AuthVertices {
  readonly #sql: Queries;
  readonly #executor: Executor;
  readonly #bus: Pick<Bus, 'request' | 'placements'>;
  readonly #roles = new Set<string>();

  /** @param bus for queries, and for writes of journals other than `main` */
  constructor(sql: Queries, executor: Executor, bus: Pick<Bus, 'request' | 'placements'>) {
    this.#sql = sql;
    this.#executor = executor;
    this.#bus = bus;
  }

  /** Creates the vertices of an account's roles. One that cannot be created now is created with the next account that has the role. */
  async createRoles(tenant: string, roles: readonly string[]): Promise<void> {
    for (const role of new Set(roles)) {
      const key = `${tenant}\0${role}`;
      if (this.#roles.has(key) || this.#roles.size >= MAX_ROLES || role === '' || role.includes('$$')) continue;
      const scope = await this.scopeOf(tenant);
      if (scope === undefined) return;
      const made = await this.#write(tenant, scope, roleVertex(role, scope));
      if (made === undefined || made.code === 'conflict') this.#roles.add(key);
    }
  }

  /**
   * Removes the edges of a deleted account, which can be an end of edges without being a data element: some at a time, until none is left or the
   * journal fails.
   */
  async forget(tenant: string, account: string): Promise<void> {
    const scope = await this.scopeOf(tenant);
    if (scope === undefined) return;
    const ends = (['out', 'in'] as const).map((end) => ({ test: 'equal', path: [end], value: account }) as const);
    const filter = { all: [{ test: 'equal', path: ['kind'], value: 'edge' } as const, { any: ends }] };
    for (;;) {
      const asked = { filter, limit: FORGOTTEN_AT_ONCE, fields: [] };
      const found = await this.#bus.request(graphQuery, graphQuery.subject({ tenant }), asked, { timeoutMs: WRITE_MS });
      const values = found.ok ? found.value.elements.map(({ id }) => id) : [];
      if (values.length === 0) return;
      const where = { all: [filter, { test: 'in', path: ['id'], values } as const] };
      const failure = await this.#write(tenant, scope, { op: 'delete', target: { where } });
      if (failure !== undefined) return;
    }
  }

  /** Moves an organization that an older version created under another id to its public id. */
  async moveOrganization(tenant: string, scope: string): Promise<void> {
    const found = await this.#sql<{ id: string }[]>`
      select id from element where tenant = ${tenant} and not deleted and (id = ${tenant} or (type = ${ORGANIZATION_TYPE} and xid = ${`organization:${tenant}`}))`;
    if (found.some(({ id }) => id === tenant)) return;
    const failure = await this.#write(
      tenant,
      scope,
      ...found.map(({ id }): Operation => ({ op: 'delete', target: { id } })),
      organizationVertex(tenant, scope),
      { op: 'update', target: { id: scope }, set: { 'ogit/_organization': tenant } },
    );
    const error = failure === undefined ? undefined : failedCreation('the organization', failure);
    if (error instanceof ConnectionLost) throw error;
  }

  /** The id of an organization's default scope; also undefined if its journal does not answer. */
  async scopeOf(tenant: string): Promise<string | undefined> {
    if (this.#isElsewhere(tenant)) {
      const all = [
        { test: 'equal', path: ['type'], value: SCOPE_TYPE } as const,
        { test: 'equal', path: ['xid'], value: scopeXid(tenant) } as const,
      ];
      const asked = { filter: { all }, limit: 1, fields: [] };
      const found = await this.#bus.request(graphQuery, graphQuery.subject({ tenant }), asked, { timeoutMs: WRITE_MS });
      return found.ok ? found.value.elements[0]?.id : undefined;
    }
    const [row] = await this.#sql<{ id: string }[]>`
      select id from element where tenant = ${tenant} and type = ${SCOPE_TYPE} and xid = ${scopeXid(tenant)} and not deleted`;
    return row?.id;
  }

  /** Returns the failure, if any. */
  async #write(tenant: string, scope: string, ...operations: Operation[]): Promise<Failure | undefined> {
    const written = { defaultScope: scope, requests: [bootstrapRequest(operations)] };
    const answered = this.#isElsewhere(tenant)
      ? await this.#bus.request(graphMutate, graphMutate.subject({ tenant }), written, { timeoutMs: WRITE_MS })
      : await this.#executor.submit({ ...written, tenant, bytes: 1000, deadline: performance.now() + WRITE_MS });
    if (!answered.ok) return answered.failure;
    const [outcome] = answered.value.outcomes;
    return outcome?.ok === false ? outcome.failure : undefined;
  }

  #isElsewhere(tenant: string): boolean {
    return (this.#bus.placements?.journalOf(tenant) ?? MAIN) !== MAIN;
  }
}

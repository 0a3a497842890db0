import { untilUnchanged, versionOf } from '@polyedge/contracts/account-change';
import { accountsCreate, accountsGet, accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { groupList, INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { JournalGroups } from '@polyedge/journal/groups-over-bus';
import type { Bus } from '@polyedge/service-kit/bus';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { bearerOf } from '../protocol/handshake.ts';
import { asObject } from '../protocol/parameters.ts';
import { type FailureStyle, sendFailure, sendJson } from './answer.ts';
import { principalOf } from './graph.ts';
import { MIN_PASSWORD, proofOf } from './me.ts';

export interface AdminHttpOptions {
  readonly bus: Bus;
  readonly groups: JournalGroups;
  readonly style: FailureStyle;
  verify(token: string): Promise<Outcome<Principal>>;
}

const TIMEOUT_MS = 10_000;
/** Accounts of one page. */
const MAX_PAGE = 1000;

/** Administration without a counterpart in HIRO's clients: consumer groups, and accounts with their scopes. Requires the role `admin`. */
export function adminRoutes(app: FastifyInstance, options: AdminHttpOptions): void {
  app.get('/admin/groups', (request, reply) => asAdmin(request, reply, options, (who) => listGroups(who, options)));
  app.get('/admin/accounts', (request, reply) => asAdmin(request, reply, options, (who) => listAccounts(who, request.query, options)));
  app.post('/admin/accounts', (request, reply) => asAdmin(request, reply, options, (who) => createAccount(who, request.body, options)));
  app.put('/admin/accounts/:id', (request, reply) => {
    const { id = '' } = request.params as { readonly id?: string };
    return asAdmin(request, reply, options, (who) => updateAccount(who, id, request.body, options));
  });
}

async function asAdmin(
  request: FastifyRequest,
  reply: FastifyReply,
  options: AdminHttpOptions,
  work: (who: Principal) => Promise<Outcome<unknown>>,
): Promise<FastifyReply> {
  const principal = await principalOf(bearerOf(request.headers.authorization), options);
  if (!principal.ok) return sendFailure(reply, options.style, principal.failure);
  if (principal.value.roles.hiro?.includes('admin') !== true) return sendFailure(reply, options.style, { code: 'not-allowed' });
  const outcome = await work(principal.value);
  return outcome.ok ? sendJson(reply, 200, outcome.value) : sendFailure(reply, options.style, outcome.failure);
}

/** Positions from PostgreSQL, members and owners from Redis, and the work in progress on this replica. */
async function listGroups({ tenant }: Principal, { bus, groups }: AdminHttpOptions): Promise<Outcome<unknown>> {
  const listed = await bus.request(groupList, groupList.subject({ tenant }), {}, { timeoutMs: TIMEOUT_MS });
  if (!listed.ok) return listed;
  const { seq } = listed.value;
  const ofTenant = groups.of(tenant);
  const here = new Map(ofTenant?.views().map((view) => [view.id, view]));
  const clients = listed.value.groups.filter(({ name }) => !name.startsWith(INTERNAL_GROUPS));
  const items = await Promise.all(
    clients.map(async ({ id, name, createdOn, touchedOn, positions }) => {
      const shared = await ofTenant?.shared(id);
      const own = new Map(here.get(id)?.partitions.map((partition) => [partition.partition, partition]));
      return {
        name,
        createdOn,
        touchedOn,
        members: shared === undefined ? null : [...shared.members].map(([member, edge]) => ({ member, edge })),
        partitions: positions.map(({ partition, position, fence }) => {
          const owned = own.get(partition);
          return {
            partition,
            // Includes positions that are confirmed but not yet in PostgreSQL.
            position: owned?.position ?? position,
            lag: owned?.lag ?? Math.max(0, seq - position),
            owner: shared?.leases.get(partition)?.owner ?? null,
            fence,
            ...(owned === undefined ? {} : { pending: owned.pending }),
          };
        }),
      };
    }),
  );
  return { ok: true, value: { seq, items } };
}

/** A page of accounts, by id; `next`, if there may be more, is the `after` of the next page. */
async function listAccounts({ tenant }: Principal, query: unknown, { bus }: AdminHttpOptions): Promise<Outcome<unknown>> {
  const { limit: asked, after } = asObject(query) ?? {};
  const limit = asked === undefined ? MAX_PAGE : Number(asked);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) return failed('invalid', `limit is a whole number from 1 to ${MAX_PAGE}`);
  if (after !== undefined && (typeof after !== 'string' || after === '')) return failed('invalid', 'after is the id of an account');
  const page = { limit, ...(after === undefined ? {} : { after }) };
  const found = await bus.request(accountsGet, accountsGet.subject({ tenant }), page, { timeoutMs: TIMEOUT_MS });
  if (!found.ok) return found;
  const { accounts: items } = found.value;
  const last = items.length === limit ? items.at(-1)?.id : undefined;
  return { ok: true, value: { items, ...(last === undefined ? {} : { next: last }) } };
}

async function createAccount({ tenant, account: by }: Principal, body: unknown, { bus }: AdminHttpOptions): Promise<Outcome<unknown>> {
  const wanted = accountFieldsOf(body);
  if (!wanted.ok) return wanted;
  const { username } = asObject(body) ?? {};
  if (typeof username !== 'string' || username.trim() === '') return failed('invalid', 'username is missing');
  const { roles = {}, ...rest } = wanted.value;
  return await bus.request(accountsCreate, accountsCreate.subject({ tenant }), { username, roles, by, ...rest }, { timeoutMs: TIMEOUT_MS });
}

async function updateAccount(
  { tenant, account: by }: Principal,
  id: string,
  body: unknown,
  { bus }: AdminHttpOptions,
): Promise<Outcome<unknown>> {
  const wanted = accountFieldsOf(body);
  if (!wanted.ok) return wanted;
  const { disabled } = asObject(body) ?? {};
  if (disabled !== undefined && typeof disabled !== 'boolean') return failed('invalid', 'disabled is true or false');
  const { roles } = wanted.value;
  const change = { id, by, ...wanted.value, ...(disabled === undefined ? {} : { disabled }) };
  const update = (more: object) =>
    bus.request(accountsUpdate, accountsUpdate.subject({ tenant }), { ...change, ...more }, { timeoutMs: TIMEOUT_MS });
  if (roles === undefined) return await update({});
  return await untilUnchanged(async () => {
    const found = await bus.request(accountsGet, accountsGet.subject({ tenant }), { ids: [id] }, { timeoutMs: TIMEOUT_MS });
    if (!found.ok) return found;
    const [account] = found.value.accounts;
    return account === undefined ? failed('not-found') : await update({ roles: { ...account.roles, ...roles }, ...versionOf(account) });
  });
}

interface AccountFields {
  proof?: string;
  roles?: Record<string, string[]>;
  defaultScope?: string;
  scopes?: string[];
}

/** `password`, `roles` (HIRO's, or by protocol; those of other protocols stay), `defaultScope` and `scopes`; all optional. */
function accountFieldsOf(body: unknown): Outcome<AccountFields> {
  const { password, roles, defaultScope, scopes } = asObject(body) ?? {};
  const wishes: AccountFields = {};
  if (password !== undefined) {
    if (typeof password !== 'string' || password.length < MIN_PASSWORD)
      return failed('invalid', `a password has at least ${MIN_PASSWORD} characters`);
    wishes.proof = proofOf(password);
  }
  if (roles !== undefined) {
    const given = textsOf(roles) === undefined ? asObject(roles) : { hiro: roles };
    if (given === undefined) return failed('invalid', 'roles are lists of texts, by protocol');
    const read: Record<string, string[]> = {};
    for (const [protocol, names] of Object.entries(given)) {
      const texts = textsOf(names);
      if (texts === undefined) return failed('invalid', 'roles are lists of texts, by protocol');
      read[protocol] = texts;
    }
    wishes.roles = read;
  }
  if (defaultScope !== undefined) {
    if (typeof defaultScope !== 'string') return failed('invalid', 'defaultScope is a text');
    wishes.defaultScope = defaultScope;
  }
  if (scopes !== undefined) {
    const texts = textsOf(scopes);
    if (texts === undefined) return failed('invalid', 'scopes are a list of texts');
    wishes.scopes = texts;
  }
  return { ok: true, value: wishes };
}

function textsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
}

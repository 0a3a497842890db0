/** The calls of the page, except streams. All require an administrator of the tenant. */
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { groupDelete, groupReset } from '@polyedge/contracts/bus/groups';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';
import type { Log } from '@polyedge/service-kit/log';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { closeConnection, findConnections } from '../live/connections.ts';
import { findGroups } from '../live/groups.ts';
import { SharedAnswers } from '../live/shared-answers.ts';
import { addKey, clearFailedLogins, createAccount, listAccounts, removeKeys, revokeAccount, updateAccount } from './accounts.ts';
import { fieldsOf, objectOf, sendFailure, sendJson, sendJsonText, TIMEOUT_MS } from './answer.ts';
import { framesOf } from './frames.ts';
import { edit, open, openChange, search } from './graph.ts';
import { administratorOf, type SessionOptions } from './session.ts';
import { spaceOf } from './space.ts';

export interface AdminOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly session: SessionOptions;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** Running instances of these services; of all edges by default. */
  running(services?: readonly string[]): readonly string[];
}

/** How old the lists of groups and connections may be; pages repeat them every 2 and 3 s. */
const SHARED_MS = 1_500;

export function adminRoutes(app: FastifyInstance, options: AdminOptions): void {
  const { bus, log, session } = options;
  const shared = new SharedAnswers(SHARED_MS, options.now);
  const route = (
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    work: (who: Principal, request: FastifyRequest) => Promise<Outcome<unknown>>,
  ) =>
    app.route({
      method,
      url,
      handler: async (request, reply) => {
        const who = await administratorOf(request, session);
        if (!who.ok) return sendFailure(reply, who.failure);
        const outcome = await work(who.value, request);
        if (method !== 'GET') shared.forget();
        return outcome.ok ? sendJson(reply, 200, outcome.value) : sendFailure(reply, outcome.failure);
      },
    });
  /** For lists that pages repeat: of those who ask at about the same time, all get the same answer. */
  const list = (url: string, work: (who: Principal, query: unknown) => Promise<Outcome<unknown>>) =>
    app.get(url, async (request, reply) => {
      const who = await administratorOf(request, session);
      if (!who.ok) return sendFailure(reply, who.failure);
      const { tenant } = who.value;
      const outcome = await shared.get(JSON.stringify([tenant, url, request.query]), () => work(who.value, request.query));
      return outcome.ok ? sendJsonText(reply, 200, outcome.value) : sendFailure(reply, outcome.failure);
    });

  route('GET', '/api/elements', (who, { query }) => search(bus, who, fieldsOf(query)));
  route('GET', '/api/element', (who, { query }) => open(bus, who, fieldsOf(query).id ?? ''));
  route('PUT', '/api/element', (who, { query, body }) => edit(bus, log, who, fieldsOf(query).id ?? '', body));
  route('GET', '/api/changes/:seq', async (who, { params }) => {
    const at = await changeAt(bus, who.tenant, params);
    return at.ok ? openChange(bus, who, at.value.epoch, at.value.seq) : at;
  });
  route('GET', '/api/changes/:seq/frames', async (who, { params }) => {
    const at = await changeAt(bus, who.tenant, params);
    if (!at.ok) return at;
    const { epoch, seq } = at.value;
    const seen = await openChange(bus, who, epoch, seq);
    return seen.ok ? framesOf(bus, who.tenant, epoch, seq) : seen;
  });
  list('/api/groups', ({ tenant }) => findGroups(bus, tenant, options.running(['hiro-edge', 'saga-runner']), TIMEOUT_MS));
  route('POST', '/api/groups/:id/reset', async ({ tenant, account: by }, { params, body }) => {
    const { to } = objectOf(body);
    const id = groupOf(params);
    if (id === undefined || (to !== 'smallest' && to !== 'largest')) return failed('invalid', 'a group is reset to smallest or largest');
    const done = await bus.request(groupReset, groupReset.subject({ tenant }), { id, to }, { timeoutMs: TIMEOUT_MS });
    if (done.ok) log.warn('an administrator reset a consumer group', { id: String(id), type: to, by });
    return done;
  });
  route('DELETE', '/api/groups/:id', async ({ tenant, account: by }, { params }) => {
    const id = groupOf(params);
    if (id === undefined) return failed('invalid', 'which group?');
    const done = await bus.request(groupDelete, groupDelete.subject({ tenant }), { id }, { timeoutMs: TIMEOUT_MS });
    if (done.ok) log.warn('an administrator deleted a consumer group', { id: String(id), by });
    return done;
  });
  list('/api/connections', async ({ tenant }, query) => {
    const { text, owed } = fieldsOf(query);
    const bufferedBytes = Math.max(0, Math.trunc(Number(owed ?? 0)) || 0);
    const wanted = { ...(text === undefined ? {} : { text: text.slice(0, 256) }), bufferedBytes };
    return { ok: true, value: await findConnections(bus, tenant, wanted, options.running()) };
  });
  route('POST', '/api/connections/close', async ({ tenant, account: by }, { body }) => {
    const { instance, api, number } = objectOf(body);
    if (typeof instance !== 'string' || typeof api !== 'string' || typeof number !== 'number')
      return failed('invalid', 'which connection?');
    closeConnection(bus, { instance, api, number, tenant, by });
    log.warn('an administrator closes a connection', { id: instance, type: api, conn: number, by });
    return { ok: true, value: {} };
  });
  route('GET', '/api/space', (who, { query }) => spaceOf(bus, who, fieldsOf(query).text ?? ''));
  route('GET', '/api/accounts', (who, { query }) => listAccounts(options, who, fieldsOf(query)));
  route('POST', '/api/accounts', (who, { body, ip }) => createAccount(options, who, body, ip));
  route('PUT', '/api/accounts/:id', (who, { params, body, ip }) => updateAccount(options, who, idOf(params), body, ip));
  route('POST', '/api/accounts/:id/revoke', (who, { params }) => revokeAccount(options, who, idOf(params)));
  route('POST', '/api/accounts/:id/forgive', (who, { params }) => clearFailedLogins(options, who, idOf(params)));
  route('POST', '/api/accounts/:id/keys', (who, { params, body }) => addKey(options, who, idOf(params), body));
  route('DELETE', '/api/accounts/:id/keys', (who, { params }) => removeKeys(options, who, idOf(params)));
}

/** The change in a path, in the journal's current epoch. */
async function changeAt(bus: Bus, tenant: string, params: unknown): Promise<Outcome<{ readonly epoch: string; readonly seq: number }>> {
  const seq = Number(fieldsOf(params).seq);
  if (!Number.isSafeInteger(seq) || seq < 1) return failed('invalid', 'a seq is a whole number');
  const position = await busOfTenant(bus, tenant).request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: TIMEOUT_MS });
  return position.ok ? { ok: true, value: { epoch: position.value.epoch, seq } } : position;
}

function groupOf(params: unknown): number | undefined {
  const id = Number(idOf(params));
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

const idOf = (params: unknown): string => fieldsOf(params).id ?? '';

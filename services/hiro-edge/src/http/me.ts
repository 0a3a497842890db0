/** `me/…` of the auth API: the account of a token, its password, profile and avatar. */
import { createHash } from 'node:crypto';
import { accountsLogin, accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { roleId } from '@polyedge/contracts/element';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { isObject, type Json } from '@polyedge/query/json';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { begin } from '../protocol/graph/begin.ts';
import { profileOf, writeProfile } from '../protocol/graph/profile.ts';
import type { Work as Task } from '../protocol/graph/work.ts';
import { bearerOf } from '../protocol/handshake.ts';
import { asObject } from '../protocol/parameters.ts';
import { sendFailure, sendJson } from './answer.ts';
import { type AuthHttpOptions, TIMEOUT_MS } from './auth-options.ts';
import { answerOf, principalOf } from './graph.ts';

export const MIN_PASSWORD = 8;
export const proofOf = (password: string): string => createHash('sha256').update(password, 'utf8').digest('hex');

type MeHandler = (who: Principal, request: FastifyRequest, options: AuthHttpOptions) => Promise<Outcome<unknown>>;

export function meRoutes(app: FastifyInstance, options: AuthHttpOptions): void {
  const as = (work: MeHandler) => async (request: FastifyRequest, reply: FastifyReply) => {
    const principal = await principalOf(bearerOf(request.headers.authorization), options);
    if (!principal.ok) return sendFailure(reply, options.style, principal.failure);
    const outcome = await work(principal.value, request, options);
    return outcome.ok ? sendJson(reply, 200, outcome.value) : sendFailure(reply, options.style, outcome.failure);
  };
  for (const prefix of ['/api/auth/:version/me', '/api/:version/auth/me']) {
    app.get(`${prefix}/account`, as(account));
    app.get(`${prefix}/profile`, as(profile));
    app.post(`${prefix}/profile`, as(changeProfile));
    // Current clients send PUT, older ones POST.
    for (const method of ['PUT', 'POST'] as const) app.route({ method, url: `${prefix}/password`, handler: as(changePassword) });
    app.get(
      `${prefix}/teams`,
      as(async () => ({ ok: true, value: { items: [] } })),
    );
    app.get(
      `${prefix}/roles`,
      as(async (who) => ({ ok: true, value: { items: (who.roles.hiro ?? []).map(roleOf) } })),
    );
  }
}

const roleOf = (role: string) => ({ 'ogit/_id': roleId(role), 'ogit/_type': 'ogit/Auth/Role', 'ogit/name': role });

/** The account, with its profile if requested and present. */
const account: MeHandler = async (who, request, options) => {
  const found = await bodyOf(
    begin({ type: 'me' }, { who, at: Date.now(), now: Date.now, newId: (scope) => scope, names: 'lenient' }),
    who,
    options,
  );
  const wanted = (request.query as Readonly<Record<string, unknown>>).profile === 'true';
  if (!found.ok || !wanted || !isObject(found.value)) return found;
  const shown = await bodyOf(profileOf(who), who, options);
  if (!shown.ok) return shown;
  return isObject(shown.value) && shown.value['ogit/_id'] !== undefined
    ? { ok: true, value: { ...found.value, 'ogit/Auth/profile': shown.value } }
    : found;
};

const profile: MeHandler = (who, _request, options) => bodyOf(profileOf(who), who, options);

const changeProfile: MeHandler = (who, request, options) => bodyOf(writeProfile('me', request.body, who, Date.now()), who, options);

/** A wrong old password is 403, because a 401 would make clients request a new token and retry. It counts as a failed login. */
const changePassword: MeHandler = async (who, request, options) => {
  const { oldPassword, newPassword } = asObject(request.body) ?? {};
  if (typeof oldPassword !== 'string' || typeof newPassword !== 'string') return failed('invalid', 'oldPassword or newPassword is missing');
  if (newPassword.length < MIN_PASSWORD) return failed('invalid', `a password has at least ${MIN_PASSWORD} characters`);
  const { bus } = options;
  const session = { protocol: 'hiro', app: who.app, address: request.ip };
  const login = await bus.request(
    accountsLogin,
    accountsLogin.subject({}),
    { username: who.username, proof: proofOf(oldPassword), ...session },
    { timeoutMs: TIMEOUT_MS },
  );
  if (!login.ok) return login.failure.code === 'unauthenticated' ? failed('not-allowed', 'the old password is wrong') : login;
  if (login.value.account.id !== who.account) return failed('not-allowed', 'the old password is wrong');
  const shown = await account(who, request, options);
  // Revokes all tokens issued so far, including those of this login.
  const change = { id: who.account, proof: proofOf(newPassword), by: who.account };
  const changed = await bus.request(accountsUpdate, accountsUpdate.subject({ tenant: who.tenant }), change, { timeoutMs: TIMEOUT_MS });
  return changed.ok ? shown : changed;
};

async function bodyOf(work: Task, who: Principal, { rest }: AuthHttpOptions): Promise<Outcome<Json>> {
  const answered = await answerOf(work, who, rest, AbortSignal.timeout(TIMEOUT_MS));
  if (answered.ok) return answered.value.kind === 'body' ? { ok: true, value: answered.value.body } : failed('internal');
  const { failure, result } = answered;
  return { ok: false, failure: result === undefined ? failure : { ...failure, detail: result.errors.join('; ') } };
}

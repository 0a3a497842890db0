/**
 * Login sessions of the page. The session is the access token signed by the directory, in a cookie that scripts cannot read and browsers
 * send only to this origin; the refresh token is in another cookie, sent only to the calls that need it. Programs send a token as `Bearer`.
 */
import { createHash } from 'node:crypto';
import { accountsLogin, accountsRefresh, accountsRevoke, type TokenSet } from '@polyedge/contracts/bus/accounts';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Bus } from '@polyedge/service-kit/bus';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fieldsOf, sendFailure, sendJson, TIMEOUT_MS } from './answer.ts';

const SESSION_COOKIE = 'polyedge_console';
const REFRESH_COOKIE = 'polyedge_console_refresh';
const REFRESH_PATH = '/api/session';
const APP = 'console';

export interface SessionOptions {
  readonly bus: Bus;
  readonly tenant: string;
  readonly secureCookies: boolean;
  readonly edges: Readonly<Record<string, string>>;
  /** Whether a process of the service is running. */
  runs(service: string): boolean;
  verify(token: string): Promise<Outcome<Principal>>;
}

/** Administrators of HIRO administer the directory; `console` is a role for people without other roles. */
const administers = ({ tenant, roles }: Pick<Principal, 'tenant' | 'roles'>, here: string): boolean =>
  tenant === here && (roles.console?.includes('admin') === true || roles.hiro?.includes('admin') === true);

/** The administrator who sent a request. */
export async function administratorOf(request: FastifyRequest, { verify, tenant }: SessionOptions): Promise<Outcome<Principal>> {
  const token = tokenOf(request);
  if (token === undefined) return failed('unauthenticated', 'log in first');
  const verified = await verify(token);
  if (!verified.ok) return verified;
  return administers(verified.value, tenant) ? verified : failed('not-allowed', 'this page is for administrators');
}

export function sessionRoutes(app: FastifyInstance, options: SessionOptions): void {
  app.post(REFRESH_PATH, async (request, reply) => {
    const { username = '', password = '' } = fieldsOf(request.body);
    if (username === '' || password === '') return sendFailure(reply, { code: 'invalid', detail: 'a user name and a password are needed' });
    const proof = createHash('sha256').update(password, 'utf8').digest('hex');
    const session = { protocol: APP, app: APP, address: request.ip };
    const asked = await options.bus.request(
      accountsLogin,
      accountsLogin.subject({}),
      { username, proof, ...session },
      { timeoutMs: TIMEOUT_MS },
    );
    return begin(reply, asked, options);
  });
  app.put(REFRESH_PATH, async (request, reply) => {
    const refreshToken = cookiesOf(request)[REFRESH_COOKIE];
    if (refreshToken === undefined) return sendFailure(reply, { code: 'unauthenticated', detail: 'log in first' });
    const session = { protocol: APP, app: APP, address: request.ip };
    const asked = await options.bus.request(
      accountsRefresh,
      accountsRefresh.subject({}),
      { refreshToken, ...session },
      { timeoutMs: TIMEOUT_MS },
    );
    return begin(reply, asked, options);
  });
  app.delete(REFRESH_PATH, async (request, reply) => {
    const refreshToken = cookiesOf(request)[REFRESH_COOKIE];
    if (refreshToken !== undefined) {
      await options.bus.request(accountsRevoke, accountsRevoke.subject({}), { refreshToken }, { timeoutMs: TIMEOUT_MS });
    }
    return sendJson(forget(reply), 200, {});
  });
  app.get(REFRESH_PATH, async (request, reply) => {
    const who = await administratorOf(request, options);
    if (!who.ok) return sendFailure(reply, who.failure);
    const { account, username, tenant, roles, expiresAt } = who.value;
    // The page calls saga-edge itself, and reads SPACE's data from the graph.
    const offers = { runnables: options.edges.saga !== undefined, space: options.edges.space !== undefined || options.runs('space-edge') };
    return sendJson(reply, 200, { account, username, tenant, roles, expiresAt, edges: options.edges, offers });
  });
  // For panes that call the edges themselves: never in an address, never stored by the page.
  app.post('/api/token', async (request, reply) => {
    const who = await administratorOf(request, options);
    if (!who.ok) return sendFailure(reply, who.failure);
    return sendJson(reply, 200, { token: tokenOf(request), expiresAt: who.value.expiresAt });
  });
}

/** A login without administrator rights is ended at once. */
async function begin(reply: FastifyReply, asked: Outcome<TokenSet>, options: SessionOptions): Promise<FastifyReply> {
  if (!asked.ok) return sendFailure(asked.failure.code === 'unauthenticated' ? forget(reply) : reply, asked.failure);
  const { accessToken, refreshToken, expiresAt, account } = asked.value;
  if (!administers(account, options.tenant)) {
    await options.bus.request(accountsRevoke, accountsRevoke.subject({}), { refreshToken }, { timeoutMs: TIMEOUT_MS });
    return sendFailure(forget(reply), { code: 'not-allowed', detail: 'this page is for administrators' });
  }
  const seconds = Math.max(1, Math.floor((expiresAt - Date.now()) / 1000));
  const secure = options.secureCookies ? '; Secure' : '';
  reply.header('set-cookie', [
    `${SESSION_COOKIE}=${accessToken}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`,
    `${REFRESH_COOKIE}=${refreshToken}; Path=${REFRESH_PATH}; HttpOnly; SameSite=Strict; Max-Age=86400${secure}`,
  ]);
  return sendJson(reply, 200, { username: account.username, expiresAt });
}

const forget = (reply: FastifyReply): FastifyReply =>
  reply.header('set-cookie', [
    `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`,
    `${REFRESH_COOKIE}=; Path=${REFRESH_PATH}; HttpOnly; SameSite=Strict; Max-Age=0`,
  ]);

function tokenOf(request: FastifyRequest): string | undefined {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return bearer ?? cookiesOf(request)[SESSION_COOKIE];
}

function cookiesOf({ headers }: Pick<FastifyRequest, 'headers'>): Record<string, string | undefined> {
  const pairs = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 1 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const];
  });
  return Object.fromEntries(pairs);
}

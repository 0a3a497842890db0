/**
 * Authorization codes (OAuth 2, RFC 6749 4.1 with PKCE): a login whose first tokens are fetched once, within a minute, by the client that began it.
 * Codes are stored with the refresh tokens, so every replica can redeem them. A code's hash includes its binding, so a code alone is useless.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { TokenSet } from '@polyedge/contracts/bus/accounts';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Queries } from '../postgres/pool.ts';
import type { Directory, LoginContext } from './directory.ts';

const CODE_MS = 60_000;
const CODE_BYTES = 32;

export class Codes {
  readonly #sql: Queries;
  readonly #directory: Directory;

  constructor(sql: Queries, directory: Directory) {
    this.#sql = sql;
    this.#directory = directory;
  }

  /** A copy for a caller with this deadline. */
  before(deadline: number): Codes {
    return new Codes(this.#sql, this.#directory.before(deadline));
  }

  /** @param binding must be repeated with the code: the client, the redirect URI, and the challenge of its verifier */
  async authorize(username: string, proof: string, binding: string, context: LoginContext): Promise<Outcome<{ readonly code: string }>> {
    const login = await this.#directory.login(username, proof, context);
    if (!login.ok) return login;
    const code = randomBytes(CODE_BYTES).toString('base64url');
    // The refresh token of this login becomes the code; neither it nor the access token has left this process.
    const kept = await this.#sql`
      update refresh_token set hash = ${hashOf(code, binding)}, expires_on = ${Date.now() + CODE_MS}
      where hash = ${refreshHash(login.value.refreshToken)} and used_on is null returning 1`;
    return kept.length === 1 ? done({ code }) : failed('unauthenticated', 'the account was changed meanwhile');
  }

  /** Returns tokens for a code, which is then spent. */
  async redeem(code: string, binding: string, context: LoginContext): Promise<Outcome<TokenSet>> {
    const refreshToken = randomBytes(CODE_BYTES).toString('base64url');
    const now = Date.now();
    // Only one of two concurrent callers finds it; the resulting refresh token is spent by the exchange that follows.
    const taken = await this.#sql`
      update refresh_token set hash = ${refreshHash(refreshToken)} where hash = ${hashOf(code, binding)} and used_on is null
      and expires_on > ${now} and protocol = ${context.protocol} and app = ${context.app} returning 1`;
    if (taken.length !== 1) return failed('unauthenticated', 'the code is not valid');
    return this.#directory.refresh(refreshToken, context);
  }
}

const refreshHash = (token: string): Buffer => createHash('sha256').update(token).digest();

/** The first byte occurs in no text, so no refresh token from a client can match the hash of a code. */
const hashOf = (code: string, binding: string): Buffer =>
  createHash('sha256')
    .update(Buffer.from([0xff]))
    .update(code)
    .update('\0')
    .update(binding)
    .digest();

/** Calls from the page to edges, with the token of the logged-in user: kept in memory only, and only while it is valid. */
import { type Answer, call } from './call.ts';

/** A token is renewed when it has less time left than this. */
const RENEW_MS = 30_000;
let known: { readonly token: string; readonly expiresAt: number } | undefined;
/** Counts logins: a token that was asked for before is another user's. */
let logins = 0;

/** Whoever logs in next has a token of their own. */
export function forgetToken(): void {
  known = undefined;
  logins += 1;
}

export async function accessToken(): Promise<Answer<string>> {
  if (known !== undefined && known.expiresAt - Date.now() > RENEW_MS) return { ok: true, value: known.token };
  const askedBy = logins;
  const got = await call<{ readonly token: string; readonly expiresAt: number }>('POST', '/api/token', {});
  if (!got.ok) return got;
  if (askedBy === logins) known = got.value;
  return { ok: true, value: got.value.token };
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** An edge as the page calls it. */
export interface CalledEdge {
  readonly name: string;
  /** The setting of the origins that may call it. */
  readonly origins: string;
  /** The message in a failure's body. */
  messageOf(body: object): string | undefined;
}

/** One REST call. Failures are values. @param body a value, or a form with a file */
export async function callEdge<T>(edge: CalledEdge, method: Method, url: string, body?: unknown): Promise<Answer<T>> {
  const access = await accessToken();
  if (!access.ok) return access;
  const isForm = body instanceof FormData;
  try {
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${access.value}`,
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    const read: unknown = await response.json().catch(() => undefined);
    if (response.ok) return { ok: true, value: read as T };
    const said = typeof read === 'object' && read !== null ? edge.messageOf(read) : undefined;
    return { ok: false, status: response.status, message: said ?? `${edge.name} answered ${response.status}` };
  } catch {
    return { ok: false, status: 0, message: `${edge.name} does not answer this page: see ${edge.origins} and CONSOLE_EDGES` };
  }
}

/** The address of an edge, without the trailing slash. */
export const baseOf = (edge: string): string => edge.replace(/\/$/, '');

/** The access token of who is logged in, for calls that the page makes to edges itself. In memory only, and only while it is worth something. */
import { type Answer, call } from './call.ts';

/** A token is asked for again when this little of it is left. */
const RENEW_MS = 30_000;
let known: { readonly token: string; readonly expiresAt: number } | undefined;

export async function accessToken(): Promise<Answer<string>> {
  if (known !== undefined && known.expiresAt - Date.now() > RENEW_MS) return { ok: true, value: known.token };
  const got = await call<{ readonly token: string; readonly expiresAt: number }>('POST', '/api/token', {});
  if (!got.ok) return got;
  known = got.value;
  return { ok: true, value: got.value.token };
}

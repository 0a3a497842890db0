/** space-edge, asked by the page itself with the token of who is logged in, who is a user of SPACE there. Failures are values. */
import { useEffect, useState } from 'preact/hooks';
import type { Answer } from './call.ts';
import { accessToken } from './token.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** One REST call. @param path below `/api/v1` @param body a value, or a form with a file */
export async function askSpace<T>(space: string, method: Method, path: string, body?: unknown): Promise<Answer<T>> {
  const access = await accessToken();
  if (!access.ok) return access;
  const isForm = body instanceof FormData;
  try {
    const response = await fetch(`${space.replace(/\/$/, '')}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${access.value}`,
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    const read: unknown = await response.json().catch(() => undefined);
    if (response.ok) return { ok: true, value: read as T };
    return { ok: false, status: response.status, message: messageOf(read) ?? `space-edge answered ${response.status}` };
  } catch {
    return { ok: false, status: 0, message: 'space-edge does not answer this page: see SPACE_ALLOWED_ORIGINS and CONSOLE_EDGES' };
  }
}

const messageOf = (read: unknown): string | undefined =>
  typeof read === 'object' && read !== null && 'error' in read ? String(read.error) : undefined;

/** The path of something in an organization. */
export const inOrganization = (organization: string, ...parts: readonly string[]): string =>
  `/organizations/${[organization, ...parts].map(encodeURIComponent).join('/')}`;

/** Asks when it appears and when the path changes; without a path, not at all. */
export function useSpace<T>(space: string, path: string | undefined): Answer<T> | undefined {
  const [answer, setAnswer] = useState<Answer<T>>();
  useEffect(() => {
    setAnswer(undefined);
    if (path === undefined) return;
    let isCurrent = true;
    void askSpace<T>(space, 'GET', path).then((got) => isCurrent && setAnswer(got));
    return () => {
      isCurrent = false;
    };
  }, [space, path]);
  return answer;
}

/** What the forms need of SPACE's answers. */
export interface OfferedService {
  readonly name: string;
  readonly activePricings: Readonly<Record<string, unknown>>;
}
export interface OfferedPricing {
  readonly version: string;
  readonly createdAt: string;
  readonly plans?: Readonly<Record<string, unknown>>;
  readonly addOns?: Readonly<Record<string, unknown>>;
}
export interface Organizations {
  readonly data: readonly { readonly id: string; readonly name: string }[];
}

/** space-edge, asked by the page itself with the token of who is logged in, who is a user of SPACE there. Failures are values. */
import { useEffect, useState } from 'preact/hooks';
import type { Answer } from './call.ts';
import { baseOf, type CalledEdge, callEdge, type Method } from './edge-call.ts';

const SPACE: CalledEdge = {
  name: 'space-edge',
  origins: 'SPACE_ALLOWED_ORIGINS',
  messageOf: (body) => ('error' in body ? String(body.error) : undefined),
};

/** One REST call. @param path below `/api/v1` @param body a value, or a form with a file */
export const callSpace = <T>(space: string, method: Method, path: string, body?: unknown): Promise<Answer<T>> =>
  callEdge<T>(SPACE, method, `${baseOf(space)}/api/v1${path}`, body);

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
    void callSpace<T>(space, 'GET', path).then((got) => isCurrent && setAnswer(got));
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

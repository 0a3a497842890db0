import { createHash, timingSafeEqual } from 'node:crypto';

/** The secrets of the applications that may request tokens, by client id; `undefined` if none is required. */
export type Applications = ReadonlyMap<string, string | undefined>;

/** `id:secret,id2`; empty: undefined, which means any application. */
export function parseApplications(text: string): Applications | undefined {
  const entries = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part): [string, string | undefined] => {
      const colon = part.indexOf(':');
      return colon === -1 ? [part, undefined] : [part.slice(0, colon), part.slice(colon + 1)];
    });
  return entries.length === 0 ? undefined : new Map(entries);
}

/** Whether an application may request tokens; compares secrets in constant time. */
export function mayRequestTokens(applications: Applications | undefined, id: string, secret: string): boolean {
  if (applications === undefined) return true;
  if (!applications.has(id)) return false;
  const expected = applications.get(id);
  return expected === undefined || timingSafeEqual(digest(expected), digest(secret));
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

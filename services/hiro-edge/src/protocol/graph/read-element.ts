/** Shared by reads: whether the caller may see a vertex, lenient parsing of times, and limits of lists. */
import { ALWAYS_FITTING, graphGet } from '@polyedge/contracts/bus/graph';
import { type Element, SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { compile } from '@polyedge/query/predicate';
import { type CallQuestion, call } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import { visibleTo } from '../element/visibility.ts';
import type { RequestParameters } from '../parameters.ts';

/** `limit: -1` means all, up to this number. */
export const MAX_ITEMS = 100_000;
/** Rows per request to the store. */
export const PAGE_ITEMS = 100;

/** Reads pages of rows, which are smaller once their rows have turned out to be so large that the usual number does not fit into an answer. */
export class Pages {
  #size = PAGE_ITEMS;

  /**
   * The next page.
   * @param most the most rows of it
   * @param read requests a number of rows
   */
  *next<Reply>(most: number, read: (limit: number) => Task<CallQuestion, Outcome<Reply>>): Task<CallQuestion, Outcome<Reply>> {
    const limit = Math.min(most, this.#size);
    const reply = yield* read(limit);
    if (reply.ok || reply.failure.code !== 'too-large' || limit <= ALWAYS_FITTING) return reply;
    this.#size = ALWAYS_FITTING;
    return yield* read(ALWAYS_FITTING);
  }
}

/** Reads an element that the caller may read. */
export function* readElement(id: string | undefined, includeDeleted: boolean, who: Principal): Task<CallQuestion, Outcome<Element>> {
  if (id === undefined) return failed('invalid', 'ogit/_id is missing');
  const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [id], includeDeleted, accounts: true });
  return found.ok ? readable(found.value.elements[0], who) : found;
}

/** Returns an element if it exists and the caller may read it. */
export function readable(element: Element | null | undefined, who: Principal): Outcome<Element> {
  const refusal = refusalOf(element, who);
  if (refusal !== undefined) return { ok: false, failure: refusal };
  return element === null || element === undefined ? failed('not-found') : done(element);
}

/** Why an element is not returned: it does not exist (which includes accounts), or is in a scope that the token may not read. */
function refusalOf(element: Element | null | undefined, who: Principal): Failure | undefined {
  if (element === null || element === undefined || element.scope === SYSTEM_SCOPE) return { code: 'not-found' };
  return compile(visibleTo(who))(element) ? undefined : { code: 'not-allowed' };
}

/**
 * Types that HIRO shows but does not write: accounts, the organization and roles belong to the directory, and Saga's users have the ids of
 * accounts.
 */
export const SHOWN_ONLY: readonly string[] = ['ogit/Auth/Account', 'ogit/Auth/Organization', 'ogit/Auth/Role', 'saga/User'];
export const isShownOnly = (type: string): boolean => SHOWN_ONLY.includes(type);
const WRITTEN_ELSEWHERE = 'accounts, organizations and roles are not written as vertices';

/** Why a caller may not write an element that it may read. */
export function writeRefusalOf(element: Element | null | undefined, who: Principal): Failure | undefined {
  const refusal = refusalOf(element, who);
  if (refusal !== undefined || element === null || element === undefined) return refusal;
  return isShownOnly(element.type) ? { code: 'not-allowed', detail: WRITTEN_ELSEWHERE } : undefined;
}

/** The external id of an organization's default scope. */
export const defaultScopeXid = ({ tenant }: Principal): string => `scope:${tenant}`;

export const includesDeleted = (parameters: RequestParameters): boolean => parameters.flag('includeDeleted', 'include_deleted');

/**
 * Milliseconds since 1970, possibly with leading zeros. Anything else counts as absent: the Python client sends the local date of its own
 * start as `to`, and would never receive later changes.
 */
export function timeOf(parameters: RequestParameters, name: string): number | undefined {
  const value = parameters.value(name);
  const number = typeof value === 'string' && /^-?\d{1,17}$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

export interface Range {
  readonly limit: number;
  readonly offset: number;
}

/** `limit` with -1 for all, and `offset`. */
export function rangeOf(parameters: RequestParameters, defaultLimit: number): Outcome<Range> {
  const limit = parameters.integer('limit') ?? defaultLimit;
  const offset = parameters.integer('offset') ?? 0;
  if (limit < -1) return failed('invalid', 'limit is -1 or more');
  if (offset < 0 || offset > 1_000_000) return failed('invalid', 'offset is between 0 and 1000000');
  return done({ limit: limit === -1 ? MAX_ITEMS : Math.min(limit, MAX_ITEMS), offset });
}

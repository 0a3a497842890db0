/** A script or job, ready to run. */
import type { RunnableType } from '@polyedge/contracts/bus/runnables';
import type { Element } from '@polyedge/contracts/element';
import type { Creator } from '@polyedge/saga/elements';
import { TYPES, textOr } from '@polyedge/saga/elements';

export interface Runnable {
  readonly plural: RunnableType;
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  /** Only for scripts. */
  readonly path: string | undefined;
  readonly body: string;
  readonly enabled: boolean;
  readonly logging: boolean;
  /** Only for jobs. */
  readonly schedule: string | undefined;
  readonly timezone: string;
  /** The number of this version. */
  readonly version: number;
  /** The change that led to this state; scripts of one path run in the order of `created`. */
  readonly seq: number;
  readonly created: number;
  /** The tenant's default scope, for its writes. */
  readonly scope: string;
}

export function runnableOf(element: Element): Runnable {
  const { attributes, tenant, id, seq, created, scope, type } = element;
  const { name, path, body, enabled, logging, schedule, timezone, version } = attributes;
  return {
    plural: type === TYPES.job ? 'jobs' : 'scripts',
    tenant,
    id,
    name: textOr(name, ''),
    path: typeof path === 'string' ? path : undefined,
    body: textOr(body, ''),
    enabled: enabled !== false,
    logging: logging === true,
    schedule: typeof schedule === 'string' ? schedule : undefined,
    timezone: textOr(timezone, 'UTC'),
    version: typeof version === 'number' ? version : 0,
    seq,
    created: created.on,
    scope,
  };
}

/** The creator of its writes: `scripts`, but `job` in properties and signals (5.1). */
export const creatorOf = ({ plural, id }: Runnable): Creator => ({ type: plural === 'jobs' ? 'job' : 'scripts', id });

const PARAMETERS: readonly (readonly [RegExp, string])[] = [
  [/^\/(bots|users|globals)\/properties\//, 'property, parent'],
  [/^\/(bots|users|globals)\/signals\//, 'signal, parent'],
  [/^\/users\/messages\/sent$/, 'user, message'],
  [/^\/bots\/messages\/sent$/, 'bot, message'],
  [/^\/users\/messages\/incoming$/, 'sender, sender_type, user, message'],
  [/^\/bots\/messages\/incoming$/, 'sender, sender_type, bot, message'],
  [/^\/users\/messages\/outgoing$/, 'user, recipient, recipient_type, message'],
  [/^\/bots\/messages\/outgoing$/, 'bot, recipient, recipient_type, message'],
  [/^\/users\/events\/create$/, 'user'],
  [/^\/requests\//, 'request, response'],
];

/** The code as an expression that evaluates to a function. It starts in the second line. */
export function sourceOf({ path, body }: Runnable): string {
  const parameters = PARAMETERS.find(([known]) => known.test(path ?? ''))?.[1] ?? '';
  return `(async function (${parameters}) {\n${body}\n})`;
}

/** Cached results, because runs are frequent and code is long. */
const found = new WeakMap<Runnable, Map<string, boolean>>();

/**
 * Whether the code may use a parameter of this name: loading an unused one would be wasteful. A longer name that contains it
 * (`property.parent_id` for `parent`) does not count as use; code that can name it indirectly (`eval`, `arguments`, escapes) does.
 * @param name letters only
 */
export function mayUse(runnable: Runnable, name: string): boolean {
  const known = found.get(runnable) ?? new Map<string, boolean>();
  found.set(runnable, known);
  const before = known.get(name);
  if (before !== undefined) return before;
  const { body } = runnable;
  const may = ['arguments', 'eval', '\\u'].some((way) => body.includes(way)) || new RegExp(`(?<![\\w$])${name}(?![\\w$])`).test(body);
  known.set(name, may);
  return may;
}

/** The file name in stack traces. */
export const fileOf = ({ plural, name, id }: Runnable): string => `/${plural}/${/^[\w .-]{1,100}$/.test(name) ? name : id}`;

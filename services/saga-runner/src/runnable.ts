/** A script or job as it is run. */
import type { RunnableCall } from '@polyedge/contracts/bus/runnables';
import type { Element } from '@polyedge/contracts/element';
import type { Creator } from '@polyedge/saga/elements';
import { TYPES, textOr } from '@polyedge/saga/elements';

export type Plural = RunnableCall['runnableType'];

export interface Runnable {
  readonly plural: Plural;
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  /** Of a script. */
  readonly path: string | undefined;
  readonly body: string;
  readonly enabled: boolean;
  readonly logging: boolean;
  /** Of a job. */
  readonly schedule: string | undefined;
  readonly timezone: string;
  /** The number of the version that this is. */
  readonly version: number;
  /** The change that made this state; scripts of one path run in the order of `created`. */
  readonly seq: number;
  readonly created: number;
  /** Saga's data scope of the tenant: what it writes goes there. */
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

/** Who it is in what it writes: `scripts`, but `job` in properties and signals (5.1). */
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

/** The code as an expression that is a function. Its own lines begin at the second one. */
export function sourceOf({ path, body }: Runnable): string {
  const parameters = PARAMETERS.find(([known]) => known.test(path ?? ''))?.[1] ?? '';
  return `(async function (${parameters}) {\n${body}\n})`;
}

/** What was found in the code of a runnable: runs come often, and code is long. */
const found = new WeakMap<Runnable, Map<string, boolean>>();

/**
 * Whether the code may look at a parameter of this name: reading what it does not look at would be wasted. A longer name that has it as a part
 * (`property.parent_id` for `parent`) does not look at it; code that can name it without spelling it (`eval`, `arguments`, escapes) may.
 * @param name of letters only
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

/** The file in stack traces. */
export const fileOf = ({ plural, name, id }: Runnable): string => `/${plural}/${/^[\w .-]{1,100}$/.test(name) ? name : id}`;

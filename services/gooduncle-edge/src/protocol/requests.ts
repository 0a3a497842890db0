/** Parses and validates the eight requests (Good Uncle: request types). All problems are reported together. */
import { isList, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import type { Sort } from '@polyedge/query/query';
import { type Criteria, firstKey, ID, type NamedField, parseCriteria, pathOf, VERSION } from './criteria.ts';
import { badRequest, type ErrorResponse, type FieldProblem, problem } from './problems.ts';

const TYPES = ['upgrade', 'downgrade', 'create', 'read', 'update', 'delete', 'subscribe', 'unsubscribe'] as const;

/** The selection and projection of rows of a read or a subscription. */
export interface Choice {
  readonly topic: string;
  readonly criteria: Criteria;
  readonly fields: readonly string[] | undefined;
  readonly sort: readonly Sort[] | undefined;
  readonly limit: number | undefined;
  /** All fields named in the request, with their places. */
  readonly named: readonly NamedField[];
}

/** New values of resources: whole fields, and values inside them. */
export interface Params {
  readonly set: JsonObject;
  readonly put: readonly { readonly path: readonly string[]; readonly value: Json }[];
  readonly named: readonly NamedField[];
}

export type Request =
  | {
      readonly type: 'upgrade';
      readonly by: { readonly user: string; readonly password: string } | { readonly token: string };
      readonly role: string | undefined;
    }
  | { readonly type: 'downgrade'; readonly roles: readonly string[] | undefined }
  | {
      readonly type: 'create';
      readonly topic: string;
      readonly id: string | undefined;
      readonly params: Params;
      readonly once: string | undefined;
    }
  | ({ readonly type: 'read'; readonly after: string | undefined; readonly count: boolean } & Choice)
  | {
      readonly type: 'update';
      readonly topic: string;
      readonly criteria: Criteria;
      readonly params: Params;
      readonly unset: readonly string[];
      readonly expect: number | undefined;
    }
  | { readonly type: 'delete'; readonly topic: string; readonly criteria: Criteria; readonly expect: number | undefined }
  | ({
      readonly type: 'subscribe';
      readonly subscription: string;
      readonly initial: boolean;
      readonly throttleMs: number;
      /** The position to resume from; empty: from now on, with positions in the answers. */
      readonly since: string | undefined;
    } & Choice)
  | { readonly type: 'unsubscribe'; readonly subscription: string };

export type RequestOfType<Type extends Request['type']> = Extract<Request, { type: Type }>;

export type ParsedRequest = { readonly ok: true; readonly value: Request } | { readonly ok: false; readonly refusal: ErrorResponse };

const MAX_READ_LIMIT = 10_000;
/** A live window keeps its rows, and as many spare ones, in memory. */
const MAX_WINDOW = 1000;
const MAX_THROTTLE_MS = 60_000;
const MAX_NAME = 512;
/** Names of similar options in other APIs. Ignoring them would return other rows than the client expects. */
const FOREIGN_OPTIONS = [
  'skip',
  'offset',
  'page',
  'pageSize',
  'perPage',
  'take',
  'first',
  'where',
  'filter',
  'query',
  'match',
  'select',
  'projection',
  'order',
  'orderBy',
  'sortBy',
  'cursor',
];
const CHOICE_KEYS = ['criteria', 'fields', 'sort', 'limit', 'after', 'count'];

/** @param payload any JSON value */
export function parseRequest(payload: Json): ParsedRequest {
  if (!isObject(payload)) return { ok: false, refusal: badRequest(problem('type', null)) };
  const reader = new RequestReader(payload);
  const request = reader.request();
  if (request === undefined || reader.problems.length > 0) return { ok: false, refusal: badRequest(...reader.problems) };
  return { ok: true, value: request };
}

class RequestReader {
  readonly problems: FieldProblem[] = [];
  readonly #from: JsonObject;

  constructor(from: JsonObject) {
    this.#from = from;
  }

  request(): Request | undefined {
    const type = this.#get('type');
    switch (type) {
      case 'upgrade':
        return this.#upgrade();
      case 'downgrade':
        return { type, roles: this.#roles() };
      case 'create': {
        const topic = this.#text('topic');
        const params = this.#params('create');
        return { type, topic, params, id: this.#id(), once: this.#optionalText('once', 128) };
      }
      case 'read': {
        const choice = this.#choice(MAX_READ_LIMIT);
        return { type, ...choice, after: this.#optionalText('after', 16_384), count: this.#flag('count', false) };
      }
      case 'update': {
        const topic = this.#text('topic');
        const criteria = this.#criteria();
        this.#foreignOptions();
        const params = this.#params('update');
        return { type, topic, criteria, params, unset: this.#unset(), expect: this.#whole('expect', 0, MAX_READ_LIMIT) };
      }
      case 'delete': {
        const topic = this.#text('topic');
        this.#foreignOptions();
        return { type, topic, criteria: this.#criteria(), expect: this.#whole('expect', 0, MAX_READ_LIMIT) };
      }
      case 'subscribe': {
        const subscription = this.#text('subscription');
        const choice = this.#choice(MAX_WINDOW);
        if (choice.limit !== undefined && choice.sort === undefined)
          this.#wrong(problem('missing', 'sort', { message: 'a live limit needs an order' }));
        const initial = this.#flag('initial', true);
        const since = this.#get('since') === '' ? '' : this.#optionalText('since', 128);
        if (since !== undefined && !initial)
          this.#wrong(problem('value', 'initial', { message: 'what cannot go on begins anew: with its original matches' }));
        return {
          type,
          subscription,
          ...choice,
          initial,
          since,
          throttleMs: this.#whole('throttle', 0, MAX_THROTTLE_MS) ?? 0,
        };
      }
      case 'unsubscribe':
        return { type, subscription: this.#text('subscription') };
    }
    if (type === undefined) this.#wrong(problem('missing', 'type', { expected: TYPES }));
    else this.#wrong(problem(typeof type === 'string' ? 'unknown' : 'type', 'type', { expected: TYPES }));
    return undefined;
  }

  #upgrade(): Request {
    const role = this.#optionalText('role', MAX_NAME);
    if (this.#get('token') !== undefined) return { type: 'upgrade', by: { token: this.#text('token', 16_384) }, role };
    return { type: 'upgrade', by: { user: this.#text('user'), password: this.#text('password', 16_384) }, role };
  }

  #roles(): readonly string[] | undefined {
    const value = this.#get('role');
    if (value === undefined) return undefined;
    if (typeof value === 'string') return [value];
    return this.#texts('role') ?? [];
  }

  #choice(maxLimit: number): Choice {
    const topic = this.#text('topic');
    const criteria = this.#criteria();
    this.#foreignOptions();
    const fields = this.#texts('fields');
    const named = [...criteria.fields];
    for (const [at, field] of (fields ?? []).entries()) {
      if (firstKey(field) !== field || field === '') this.#wrong(problem('value', `fields.${at}`));
      named.push({ field, place: `fields.${at}` });
    }
    return { topic, criteria, fields, sort: this.#sort(named), limit: this.#whole('limit', 1, maxLimit), named };
  }

  #foreignOptions(): void {
    for (const key of FOREIGN_OPTIONS) if (this.#get(key) !== undefined) this.#wrong(problem('unknown', key, { expected: CHOICE_KEYS }));
  }

  #sort(named: NamedField[]): readonly Sort[] | undefined {
    const steps = this.#texts('sort');
    if (steps === undefined) return undefined;
    if (steps.length === 0 || steps.length > 8) this.#wrong(problem('value', 'sort'));
    return steps.slice(0, 8).map((step, at) => {
      const name = step.startsWith('-') ? step.slice(1) : step;
      const path = pathOf(name);
      if (path === undefined || !name.isWellFormed() || name.includes('\0')) this.#wrong(problem('value', `sort.${at}`));
      named.push({ field: firstKey(name), place: `sort.${at}` });
      return { path: path ?? ['id'], order: step.startsWith('-') ? 'desc' : 'asc' } as const;
    });
  }

  #criteria(): Criteria {
    const none: Criteria = { filter: { all: [] }, fields: [] };
    const value = this.#object('criteria');
    if (value === undefined) return none;
    const parsed = parseCriteria(value);
    if (parsed.ok) return parsed.value;
    this.problems.push(...parsed.problems);
    return none;
  }

  #params(verb: 'create' | 'update'): Params {
    const none: Params = { set: {}, put: [], named: [] };
    const params = this.#object('params');
    if (params === undefined) return none;
    const set: [string, Json][] = [];
    const put: { path: readonly string[]; value: Json }[] = [];
    const named: NamedField[] = [];
    for (const [name, value] of Object.entries(params)) {
      const place = `params.${name}`;
      if (name === ID) {
        if (verb === 'update') this.#wrong(problem('immutable', place));
        continue;
      }
      const keys = name.split('.');
      if (!keys.every(isGoodKey) || keys.length > 16 || name === VERSION || !isGoodValue(value)) {
        this.#wrong(problem('value', place));
        continue;
      }
      named.push({ field: keys[0] ?? name, place });
      if (keys.length === 1) set.push([name, value]);
      else put.push({ path: keys, value });
    }
    return { set: Object.fromEntries(set), put, named };
  }

  #id(): string | undefined {
    const params = this.#get('params');
    const id = isObject(params) && Object.hasOwn(params, ID) ? params[ID] : undefined;
    if (id === undefined) return undefined;
    if (typeof id === 'string' && id.length > 0 && id.length <= 128 && isGoodText(id) && !id.includes('$')) return id;
    this.#wrong(problem('value', 'params.id'));
    return undefined;
  }

  #unset(): readonly string[] {
    const names = this.#texts('unset') ?? [];
    for (const [at, name] of names.entries()) {
      if (name === ID) this.#wrong(problem('immutable', `unset.${at}`));
      else if (!isGoodKey(name) || name.includes('.')) this.#wrong(problem('value', `unset.${at}`));
    }
    return names;
  }

  #get(key: string): Json | undefined {
    return Object.hasOwn(this.#from, key) ? this.#from[key] : undefined;
  }

  #object(key: string): JsonObject | undefined {
    const value = this.#get(key);
    if (isObject(value)) return value;
    this.#wrong(problem(value === undefined ? 'missing' : 'type', key));
    return undefined;
  }

  #text(key: string, maxLength = MAX_NAME): string {
    const value = this.#get(key);
    if (typeof value === 'string' && value !== '' && value.length <= maxLength && isGoodText(value)) return value;
    this.#wrong(problem(value === undefined ? 'missing' : typeof value === 'string' ? 'value' : 'type', key));
    return '';
  }

  #optionalText(key: string, maxLength: number): string | undefined {
    return this.#get(key) === undefined ? undefined : this.#text(key, maxLength);
  }

  #texts(key: string): readonly string[] | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (isList(value) && value.length <= 1000 && value.every((item) => typeof item === 'string' && isGoodText(item)))
      return value.map(String);
    this.#wrong(problem('type', key));
    return [];
  }

  #flag(key: string, otherwise: boolean): boolean {
    const value = this.#get(key);
    if (value === undefined) return otherwise;
    if (typeof value !== 'boolean') this.#wrong(problem('type', key));
    return value === true;
  }

  #whole(key: string, min: number, max: number): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'number') this.#wrong(problem('type', key));
    else if (!Number.isInteger(value) || value < min || value > max) this.#wrong(problem('value', key, { expected: `${min} to ${max}` }));
    else return value;
    return undefined;
  }

  #wrong(found: FieldProblem): void {
    if (this.problems.length < 50) this.problems.push(found);
  }
}

/** Keys that nobody may write: names with a special meaning in some runtimes, and those that look like operators. */
const isGoodKey = (key: string): boolean =>
  key !== '' &&
  key.length <= 512 &&
  !key.startsWith('$') &&
  key !== '__proto__' &&
  key !== 'constructor' &&
  key !== 'prototype' &&
  isGoodText(key);

/** Whether the store can save it as text. */
const isGoodText = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** The same for everything inside a value. */
function isGoodValue(value: Json): boolean {
  if (typeof value === 'string') return isGoodText(value);
  if (isList(value)) return value.every(isGoodValue);
  return !isObject(value) || Object.entries(value).every(([key, inner]) => isGoodKey(key) && isGoodValue(inner));
}

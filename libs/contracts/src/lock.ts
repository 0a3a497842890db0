/**
 * The contract lock: the channels' schemas as last released, and what a difference means for processes of two versions that run side by
 * side. A request may come from an older caller, and an event or a reply may reach an older reader; readers ignore unknown members.
 */
import type { AnyChannel } from './channel.ts';

/** The locked definition of one channel. */
export interface Locked {
  readonly kind: AnyChannel['kind'];
  readonly errors?: readonly string[];
  readonly request?: unknown;
  readonly reply?: unknown;
  readonly body?: unknown;
}

/** Locked channels by address. */
export type Lock = Readonly<Record<string, Locked>>;

export interface Difference {
  readonly address: string;
  /** False: a new version of the channel (`v<N + 1>`) is needed. */
  readonly compatible: boolean;
  /** Place and difference: `request /properties/limit: added, optional`. */
  readonly what: string;
}

/** The lock of these channels: plain JSON. */
export function lockOf(channels: Readonly<Record<string, AnyChannel>>): Lock {
  return Object.fromEntries(
    Object.values(channels).map((channel) => {
      const locked: Locked =
        channel.kind === 'request'
          ? { kind: channel.kind, errors: channel.errors, request: channel.request.schema, reply: channel.reply.schema }
          : { kind: channel.kind, body: channel.body.schema };
      // Through JSON: schemas may carry members that are not part of JSON Schema.
      return [channel.address, JSON.parse(JSON.stringify(locked))];
    }),
  );
}

/** All differences, channel by channel. Empty if there are none. */
export function differences(before: Lock, now: Lock): readonly Difference[] {
  const found: Difference[] = [];
  for (const address of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [old, fresh] = [before[address], now[address]];
    const add = (compatible: boolean, what: string) => found.push({ address, compatible, what });
    if (old === undefined) add(true, 'the channel is new');
    else if (fresh === undefined) add(false, 'the channel is gone');
    else if (old.kind !== fresh.kind) add(false, `was a ${old.kind}, is a ${fresh.kind}`);
    else {
      compare(old.request, fresh.request, 'request', 'from-older', add);
      compare(old.reply, fresh.reply, 'reply', 'to-older', add);
      compare(old.body, fresh.body, 'body', 'to-older', add);
      if (!same(old.errors, fresh.errors)) add(true, 'its errors changed');
    }
  }
  return found;
}

type Direction = 'from-older' | 'to-older';
type Report = (compatible: boolean, what: string) => void;

/** Keywords that describe but do not constrain. */
const DESCRIPTIVE_KEYWORDS = new Set(['title', 'description', 'examples', 'default', '$comment']);

function compare(before: unknown, now: unknown, at: string, direction: Direction, add: Report): void {
  if (same(before, now)) return;
  if (!isObject(before) || !isObject(now)) {
    add(false, `${at}: changed`);
    return;
  }
  for (const keyword of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [old, fresh] = [before[keyword], now[keyword]];
    if (same(old, fresh) || keyword === 'required') continue;
    if (DESCRIPTIVE_KEYWORDS.has(keyword)) add(true, `${at}/${keyword}: worded differently`);
    else if (keyword === 'properties' && isObject(old) && isObject(fresh)) compareProperties(before, now, at, direction, add);
    else if (keyword === 'items' && isObject(old) && isObject(fresh)) compare(old, fresh, `${at}/items`, direction, add);
    else if (keyword === 'anyOf' && Array.isArray(old) && Array.isArray(fresh)) compareUnion(old, fresh, `${at}/anyOf`, direction, add);
    else add(direction === 'from-older' && isWider(keyword, old, fresh), `${at}/${keyword}: changed`);
  }
  compareRequired(before, now, at, direction, add);
}

function compareProperties(before: JsonObject, now: JsonObject, at: string, direction: Direction, add: Report): void {
  const [old, fresh] = [propertiesOf(before), propertiesOf(now)];
  for (const name of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
    const path = `${at}/properties/${name}`;
    if (!Object.hasOwn(old, name))
      add(!requiredOf(now).has(name) || direction === 'to-older', `${path}: added, ${requiredOf(now).has(name) ? 'required' : 'optional'}`);
    else if (Object.hasOwn(fresh, name)) compare(old[name], fresh[name], path, direction, add);
    else add(false, `${path}: removed`);
  }
}

/** Compares whether a property of both versions is required. */
function compareRequired(before: JsonObject, now: JsonObject, at: string, direction: Direction, add: Report): void {
  const [old, fresh] = [requiredOf(before), requiredOf(now)];
  const properties = propertiesOf(before);
  for (const name of Object.keys(propertiesOf(now))) {
    if (!Object.hasOwn(properties, name) || old.has(name) === fresh.has(name)) continue;
    if (fresh.has(name)) add(direction === 'to-older', `${at}/properties/${name}: became required`);
    else add(direction === 'from-older', `${at}/properties/${name}: became optional`);
  }
}

/** Matches alternatives by the constants in them, else by index. */
function compareUnion(before: readonly unknown[], now: readonly unknown[], at: string, direction: Direction, add: Report): void {
  const [old, fresh] = [byMark(before), byMark(now)];
  for (const mark of new Set([...old.keys(), ...fresh.keys()])) {
    if (!old.has(mark)) add(direction === 'from-older', `${at}/${mark}: added`);
    else if (fresh.has(mark)) compare(old.get(mark), fresh.get(mark), `${at}/${mark}`, direction, add);
    else add(direction === 'to-older', `${at}/${mark}: removed`);
  }
}

function byMark(alternatives: readonly unknown[]): Map<string, unknown> {
  const marked = new Map<string, unknown>();
  for (const [place, alternative] of alternatives.entries()) {
    const mark = markOf(alternative) ?? String(place);
    marked.set(marked.has(mark) ? `${mark} ${place}` : mark, alternative);
  }
  return marked;
}

function markOf(schema: unknown): string | undefined {
  if (!isObject(schema)) return undefined;
  if ('const' in schema) return JSON.stringify(schema.const);
  for (const [name, property] of Object.entries(propertiesOf(schema))) {
    if (isObject(property) && 'const' in property) return `${name}=${JSON.stringify(property.const)}`;
  }
  return undefined;
}

/** Whether a bound still allows everything that it allowed before. */
function isWider(keyword: string, before: unknown, now: unknown): boolean {
  if (now === undefined) return /^(min|max)/.test(keyword) || keyword === 'pattern';
  if (typeof before !== 'number' || typeof now !== 'number') return false;
  if (keyword.startsWith('max')) return now >= before;
  return keyword.startsWith('min') && now <= before;
}

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const propertiesOf = ({ properties }: JsonObject): JsonObject => (isObject(properties) ? properties : {});
const requiredOf = (schema: JsonObject): ReadonlySet<unknown> => new Set(Array.isArray(schema.required) ? schema.required : []);

/** Equality of JSON values, regardless of the order of members. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((value, at) => same(value, other[at]));
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]));
}

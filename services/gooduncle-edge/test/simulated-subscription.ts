/** A subscription in a made-up world: what may be told of it, and what that has to add up to. */
import assert from 'node:assert/strict';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import type { Predicate } from '@polyedge/query/predicate';
import { compareBy, type Sort } from '@polyedge/query/query';
import type { Answer } from './client.ts';
import { CATEGORIES, type Chance, replay } from './exactness.ts';
import { type MadeUpStore, OWN } from './simulated-store.ts';

const FIELDS = ['price', 'category', 'filler'];

/** Criteria as the test understands them. */
type Where = (row: JsonObject) => boolean;

/** One subscription, as its client knows it and as the world does. */
export interface Sub {
  readonly name: string;
  readonly ref: string;
  readonly topic: 'products' | 'orders';
  readonly matches: Where;
  readonly sort: readonly Sort[] | undefined;
  readonly limit: number | undefined;
  readonly fields: readonly string[] | undefined;
  readonly initial: boolean;
  readonly throttle: number;
  readonly answers: Answer[];
  /** Rows at the beginning that were not told, being not wanted. */
  base: readonly string[];
  key: string;
  filter: Filter | undefined;
  where: Predicate;
  /** Its first rows were asked for. */
  asked: boolean;
  /** They could not be read. */
  mayFail: boolean;
  unsubscribed: boolean;
  ended: boolean;
  /** By id: what the events given while much was owed were about it. */
  readonly held: Map<string, 'left' | 'deleted' | 'other'>;
}

/** What nobody may see, and what was not asked for. */
export function lookThrough(sub: Sub, { response: { payload, event } }: Answer): void {
  if (event === undefined) return;
  const names = Object.keys(payload).filter((name) => name !== 'id');
  const wanted = sub.fields;
  if (wanted !== undefined) assert.ok(names.every((name) => wanted.includes(name)));
  if (sub.topic === 'products') return;
  assert.ok(!names.includes('note'));
  if (payload.userId !== undefined) assert.equal(payload.userId, OWN);
  if (names.length === 0) assert.equal(event, 'match dropped');
}

/** All events of a version were told: a window then holds what a read at that version gives. */
export function exactNow(sub: Sub, store: MadeUpStore): void {
  const { sort, limit, answers } = sub;
  const version = answers.at(-1)?.response.version;
  if (sort === undefined || version === undefined || !answers.some(({ response }) => response.synced)) return;
  assert.ok(store.betweenCommits(version), `${sub.name}: version ${version} is that of a whole commit`);
  const found = [...store.matchingAt(version, sub.where)].sort(compareBy(sort)).slice(0, limit);
  const told = replay(sub, true, { base: sub.base, limit });
  assert.deepEqual(
    told.map(({ id }) => id),
    found.map(({ id }) => id),
    `${sub.name} at version ${version}: ${JSON.stringify(answers.slice(-6).map(({ response }) => response))}`,
  );
}

/** What it was told is what a read gives. */
export function agrees(sub: Sub, rows: Iterable<Element>): void {
  if (sub.ended) return;
  assert.ok(!sub.unsubscribed && sub.answers.some(({ response }) => response.synced), `${sub.name} began`);
  const shown = (row: Element): JsonObject => {
    const names = (sub.fields ?? [...FIELDS, 'userId', 'note']).filter((name) => sub.topic === 'products' || name !== 'note');
    return Object.fromEntries([...names.map((name) => [name, row.attributes[name] ?? null]), ['id', row.id]]);
  };
  const mine = (row: Element): boolean => row.type === sub.topic && (sub.topic === 'products' || row.attributes.userId === OWN);
  const found = [...rows]
    .filter((row) => !row.deleted && mine(row) && sub.matches(row.attributes))
    .sort(compareBy(sub.sort ?? [{ path: ['id'], order: 'asc' }]))
    .slice(0, sub.limit ?? Number.POSITIVE_INFINITY)
    .map(shown);
  const told = replay(sub, sub.sort !== undefined, { base: sub.base, limit: sub.limit });
  const brief = (row: Readonly<Record<string, unknown>>): object => ({ ...row, filler: String(row.filler ?? '').length });
  const list = sub.sort === undefined ? [...told].sort((one, other) => (one.id < other.id ? -1 : 1)) : told;
  if (sub.initial) {
    assert.deepEqual(
      list.map(brief),
      found.map(brief),
      `${sub.name}: ${JSON.stringify({ ...sub, answers: sub.answers.slice(-12).map(({ response }) => [response.event, brief(response.payload), response.position, response.version]) })}`,
    );
    return;
  }
  // Of what it was never told it knows nothing; the rest is as it is.
  const ids = new Map(found.map((row) => [row.id, brief(row)]));
  for (const row of list) if (Object.keys(row).length > 1) assert.deepEqual(brief(row), ids.get(row.id), `${sub.name} of ${row.id}`);
  if (sub.sort !== undefined)
    assert.deepEqual(
      list.map(({ id }) => id),
      found.map(({ id }) => id),
    );
}

/** A random subscription and the request for it; one who is no customer can have only products. */
export function randomSubscription(chance: Chance, name: string, customer: boolean): readonly [Sub, JsonObject] {
  const below = (limit: number): number => chance.below(limit);
  const of = <T>(list: readonly T[]): T => chance.of(list);
  const least = below(20);
  const category = of(CATEGORIES);
  const [criteria, matches] = of<readonly [JsonObject, Where]>([
    [{}, () => true],
    [{ price: { $gt: least } }, (row) => Number(row.price) > least],
    [{ category }, (row) => row.category === category],
    [{ $or: [{ category }, { price: { $lte: least } }] }, (row) => row.category === category || Number(row.price) <= least],
  ]);
  const limit = below(3) === 0 ? undefined : 1 + below(below(2) === 0 ? 2 : 6);
  const sort = limit === undefined ? undefined : of([['price'], ['-price', 'category'], ['category', '-price']]);
  const fields = below(4) === 0 ? of([['price'], ['category', 'filler']]) : undefined;
  const initial = below(5) !== 0;
  const throttle = of([0, 0, 50, 300]);
  const topic = customer ? of(['products', 'orders'] as const) : 'products';
  const sub: Sub = {
    ...{ name, ref: name, topic, matches, limit, fields, initial, throttle, answers: [], base: [], key: '', filter: undefined },
    sort: sort?.map((field) => ({ path: ['attributes', field.replace('-', '')], order: field.startsWith('-') ? 'desc' : 'asc' })),
    where: () => false,
    ...{ asked: false, unsubscribed: false, ended: false, mayFail: false, held: new Map() },
  };
  const request: JsonObject = {
    ...{ type: 'subscribe', subscription: name, ref: name, topic, criteria, initial, throttle },
    ...(sort === undefined ? {} : { sort, limit: limit ?? 1 }),
    ...(fields === undefined ? {} : { fields }),
  };
  return [sub, request];
}

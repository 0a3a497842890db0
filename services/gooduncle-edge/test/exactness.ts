/** What the tests of exactness share: random writers, random subscriptions, and the proof that their events give what a fresh read gives. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject } from '@polyedge/query/json';
import { until } from '@polyedge/testkit/until';
import type { Answer, Client, Subscribed } from './client.ts';

/** Reproducible choices: `SEED=n` repeats a run. */
export class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))) {
    this.seed = seed;
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** Choices of their own for somebody who works at the same time. */
  another(): Chance {
    return new Chance(this.below(2 ** 31));
  }
}

type Row = Readonly<Record<string, unknown>> & { readonly id: string };

/**
 * What a client that does what it is told has. Fails on an event that makes no sense: one that is missing, or that comes twice.
 * @param base ids of rows that were there and were not told, as `initial: false` asks
 */
export function replay(
  { answers }: { readonly answers: readonly Answer[] },
  ordered: boolean,
  { base = [], limit = Number.POSITIVE_INFINITY }: { readonly base?: readonly string[]; readonly limit?: number | undefined } = {},
): readonly Row[] {
  const rows: Row[] = base.map((id) => ({ id }));
  let version = 0;
  for (const [at, { response }] of answers.entries()) {
    assert.equal(response.seq, at, 'seq without a gap');
    assert.equal(response.code, 'ok', JSON.stringify(response));
    assert.ok((response.version ?? version) >= version, 'versions never go back');
    version = response.version ?? version;
    const { event, payload, position } = response;
    if (event === undefined) continue;
    const known = rows.findIndex(({ id }) => id === payload.id);
    const enters = event === 'original match' || event === 'match created' || event === 'match added';
    assert.equal(known === -1, enters, `${event} of ${payload.id}`);
    if (ordered && !enters) assert.equal(known, position?.from, 'where it was');
    if (known !== -1) rows.splice(known, 1);
    if (enters || event === 'match modified') rows.splice(ordered ? (position?.to ?? rows.length) : rows.length, 0, payload);
    assert.ok(rows.length <= limit, 'never more rows than the limit');
  }
  return rows;
}

/** A topic to subscribe to: whether everybody may, and what can be asked about it. */
export interface Watchable {
  readonly topic: string;
  readonly public: boolean;
  criteria(chance: Chance, run: string): Readonly<Record<string, unknown>>;
  readonly sorts: readonly (readonly string[])[];
  /** What a subscription that names its fields asks for. */
  readonly fields: readonly string[];
}

export const CATEGORIES = ['A', 'B', 'C'];
const STATES = ['open', 'closed'];

/** Criteria over what the writers write. */
function criteria(chance: Chance, run: string): Record<string, unknown> {
  const pick = chance.below(6);
  if (pick === 0) return { run };
  if (pick === 1) return { run, category: chance.of(CATEGORIES) };
  if (pick === 2) return { run, price: { $gt: chance.below(50) } };
  if (pick === 3) return { run, $or: [{ category: chance.of(CATEGORIES) }, { price: { $lt: chance.below(20) } }] };
  if (pick === 4) return { run, category: { $in: [chance.of(CATEGORIES), chance.of(CATEGORIES)] }, price: { $lte: 60 } };
  return { run, $not: { category: chance.of(CATEGORIES) } };
}

const ware = { criteria, sorts: [['price'], ['-price', 'category'], ['category', 'price']], fields: ['category'] };
export const PRODUCTS: Watchable = { topic: 'products', public: true, ...ware };
export const ORDERS: Watchable = { topic: 'orders', public: false, ...ware };

/** What a writer puts into a product or an order. */
export function wareOf(chance: Chance, subs: readonly string[]): JsonObject & { readonly price: number } {
  return {
    price: chance.below(100),
    category: chance.of(CATEGORIES),
    status: chance.of(STATES),
    userId: chance.of(subs),
    internalNote: `${chance.below(5)}`,
  };
}

export interface Watched {
  readonly client: Client;
  readonly request: Readonly<Record<string, unknown>>;
  readonly live: Subscribed;
}

/** Random subscriptions of these clients, of whom the first is nobody in particular; made while others write. */
export async function watch(
  clients: readonly Client[],
  topics: readonly Watchable[],
  chance: Chance,
  run: string,
  count = 20,
  name = 's',
): Promise<readonly Watched[]> {
  const watched: Watched[] = [];
  for (let at = 0; at < count; at += 1) {
    const client = chance.of(clients);
    const of = chance.of(client === clients[0] ? topics.filter((topic) => topic.public) : topics);
    const request = {
      topic: of.topic,
      criteria: of.criteria(chance, run),
      ...(chance.below(3) === 0 ? {} : { sort: chance.of(of.sorts), limit: 1 + chance.below(6) }),
      ...(chance.below(4) === 0 ? { fields: of.fields } : {}),
      ...(chance.below(4) === 0 ? { throttle: 50 } : {}),
    };
    watched.push({ client, request, live: await client.subscribe({ ...request, subscription: `${name}${run}-${at}` }) });
  }
  return watched;
}

/**
 * Once all writing has ended: each subscription's original matches with its events applied are what a read gives.
 * @param mayEnd reasons for which subscriptions may have ended: what they were told up to then makes sense
 */
export async function agree(watched: readonly Watched[], run: string, mayEnd: readonly string[] = []): Promise<void> {
  for (const { client, request, live } of watched) {
    const end = live.answers.at(-1)?.response;
    if (end?.last === true && mayEnd.includes(end.errors[0]?.reason ?? '')) {
      replay({ answers: live.answers.slice(0, -1) }, request.sort !== undefined);
      continue;
    }
    const { topic, sort, limit, fields } = request;
    const answers = await client.ask({
      type: 'read',
      topic,
      criteria: request.criteria,
      ...(sort === undefined ? {} : { sort, limit }),
      ...(fields === undefined ? {} : { fields }),
    });
    const ordered = sort !== undefined;
    const inOrder = (rows: readonly Row[]): readonly Row[] =>
      ordered ? rows : [...rows].sort((one, other) => (one.id < other.id ? -1 : 1));
    const expected = inOrder(answers.filter(({ response }) => response.code === 'ok').map(({ response }) => response.payload));
    // Events of changes that the read has seen may still be on their way.
    await until(
      `${run}: ${JSON.stringify(request)} agrees with a read`,
      () => isDeepStrictEqual(inOrder(replay(live, ordered)), expected),
      {
        seen: () => {
          const told = live.answers.map(({ response }) => [response.event, response.payload, response.position, response.version]);
          return { replayed: inOrder(replay(live, ordered)), expected, told: told.slice(-30) };
        },
      },
    );
  }
}

/** What somebody else may do instead of a write through this edge. */
export type Aside = (topic: string, which: Readonly<Record<string, Json>>, params: JsonObject) => Promise<void>;

export interface WriteOptions {
  readonly aside?: Aside;
  readonly created?: string[];
  /** How much rows may have besides what they are asked about, in characters. */
  readonly fillers?: readonly number[];
  /** A row is made again under the id that it had. */
  readonly ids?: boolean;
}

/** So many random writes of products and orders through the edge. `created` gets their ids. */
export async function write(
  writer: Client,
  chance: Chance,
  run: string,
  count: number,
  subs: readonly string[],
  { aside, created, fillers, ids = false }: WriteOptions = {},
): Promise<void> {
  const written: Promise<Answer>[] = [];
  for (let step = 0; step < count; step += 1) {
    const topic = chance.of(['products', 'products', 'orders']);
    const which = { run, slot: chance.below(40) };
    const filler = fillers === undefined ? {} : { filler: 'x'.repeat(chance.of(fillers)) };
    const params = { ...wareOf(chance, subs), ...filler };
    const id = ids ? { id: `${run}-${topic}-${which.slot}` } : {};
    const pick = chance.below(10);
    if (aside !== undefined && pick === 9) await aside(topic, which, params);
    else if (pick < 4) written.push(writer.one({ type: 'create', topic, params: { ...id, ...which, ...params } }));
    else if (pick < 8) {
      const some = chance.below(2) === 0 ? params : { price: params.price };
      written.push(writer.one({ type: 'update', topic, criteria: which, params: some }));
    } else written.push(writer.one({ type: 'delete', topic, criteria: which }));
    if (written.length % 8 === 0) {
      for (const { response } of await Promise.all(written.slice(-8))) if (response.code === 'ok') created?.push(response.payload.id);
    }
  }
  for (const { response } of await Promise.all(written)) {
    const twice = ids && response.errors[0]?.reason === 'duplicate';
    assert.ok(response.code === 'ok' || response.code === 'not found' || twice, JSON.stringify(response));
  }
}

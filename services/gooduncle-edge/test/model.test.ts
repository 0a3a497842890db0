/** Live queries against fresh reads: after any changes, the original matches with all events applied are what a read gives. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { graphMutate, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { type Answer, Client, type Subscribed } from './client.ts';
import { type System, startSystem, TENANT } from './system.ts';

let system: System;
let url: string;
before(async () => {
  system = await startSystem();
  url = system.edge.url;
});
after(() => system[Symbol.asyncDispose]());

/** Reproducible choices: `SEED=n` repeats a run. */
class Chance {
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
}

type Row = Readonly<Record<string, unknown>> & { readonly id: string };

/** What a client that does what it is told has. Fails on an event that makes no sense. */
function replay({ answers }: Subscribed, ordered: boolean): readonly Row[] {
  const rows: Row[] = [];
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
  }
  return rows;
}

const CATEGORIES = ['A', 'B', 'C'];
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

interface Watched {
  readonly client: Client;
  readonly request: Readonly<Record<string, unknown>>;
  readonly live: Subscribed;
}

/** Waits for a last change that every subscription hears, then compares each with a read. */
async function agree(watched: readonly Watched[], run: string): Promise<void> {
  for (const { client, request, live } of watched) {
    const { topic, sort, limit, fields } = request;
    const read = async (): Promise<readonly Row[]> => {
      const answers = await client.ask({
        type: 'read',
        topic,
        criteria: request.criteria,
        ...(sort === undefined ? {} : { sort, limit }),
        ...(fields === undefined ? {} : { fields }),
      });
      return answers.filter(({ response }) => response.code === 'ok').map(({ response }) => response.payload);
    };
    const ordered = sort !== undefined;
    const byId = (one: Row, other: Row): number => (one.id < other.id ? -1 : 1);
    const inOrder = (rows: readonly Row[]): readonly Row[] => (ordered ? rows : [...rows].sort(byId));
    const expected = inOrder(await read());
    // Events of changes that the read has seen may still be on their way.
    const deadline = performance.now() + 8000;
    while (JSON.stringify(inOrder(replay(live, ordered)).map(canonical)) !== JSON.stringify(expected.map(canonical))) {
      if (performance.now() > deadline) {
        assert.deepEqual(
          inOrder(replay(live, ordered)),
          expected,
          `${run}: ${JSON.stringify(request)} ${JSON.stringify(live.answers.map(({ response }) => [response.event, response.payload.id, response.payload.price, response.position, response.version]).slice(-30))}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

const canonical = (row: Row): unknown[] => Object.entries(row).sort(([one], [other]) => (one < other ? -1 : 1));

/** What another protocol would do to the same elements, past this edge. */
async function foreign(type: string, operation: Operation): Promise<void> {
  const request = {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: 'other',
    app: 'other',
    origin: { protocol: 'hiro', way: 'rest' as const, operation: type },
    operations: [operation],
  };
  await system.bus.request(
    graphMutate,
    graphMutate.subject({ tenant: TENANT }),
    { defaultScope: 'other', requests: [request] },
    { timeoutMs: 5000 },
  );
}

async function write(writer: Client, chance: Chance, run: string, count: number, outside: boolean): Promise<void> {
  const written: Promise<Answer>[] = [];
  for (let step = 0; step < count; step += 1) {
    const topic = chance.of(['products', 'products', 'orders']);
    const which = { run, slot: chance.below(40) };
    const userId = chance.of([system.sub.u1, system.sub.u2]);
    const params = {
      price: chance.below(100),
      category: chance.of(CATEGORIES),
      status: chance.of(STATES),
      userId,
      internalNote: `${chance.below(5)}`,
    };
    const pick = chance.below(10);
    if (outside && pick === 9) {
      const where = {
        all: [
          { test: 'equal', path: ['attributes', 'run'], value: run },
          { test: 'equal', path: ['attributes', 'slot'], value: which.slot },
        ],
      } as const;
      await foreign(topic, { op: 'update', target: { where }, set: params });
    } else if (pick < 4) written.push(writer.one({ type: 'create', topic, params: { ...which, ...params } }));
    else if (pick < 8)
      written.push(
        writer.one({ type: 'update', topic, criteria: which, params: chance.below(2) === 0 ? params : { price: params.price } }),
      );
    else written.push(writer.one({ type: 'delete', topic, criteria: which }));
    if (written.length % 8 === 0) await Promise.all(written.slice(-8));
  }
  for (const answer of await Promise.all(written)) assert.match(answer.response.code, /^(ok|not found)$/, JSON.stringify(answer.response));
}

/** Twenty subscriptions of three kinds of users, made while others write. */
async function watch(clients: readonly Client[], chance: Chance, run: string): Promise<readonly Watched[]> {
  const watched: Watched[] = [];
  for (let at = 0; at < 20; at += 1) {
    const client = chance.of(clients);
    const shape = chance.below(3);
    const request = {
      topic: client === clients[0] ? 'products' : chance.of(['products', 'orders']),
      criteria: criteria(chance, run),
      ...(shape === 0 ? {} : { sort: chance.of([['price'], ['-price', 'category'], ['category', 'price']]), limit: 1 + chance.below(6) }),
      ...(chance.below(4) === 0 ? { fields: ['category'] } : {}),
      ...(chance.below(4) === 0 ? { throttle: 50 } : {}),
    };
    watched.push({ client, request, live: await client.subscribe({ ...request, subscription: `s${run}-${at}` }) });
  }
  return watched;
}

async function clients(): Promise<readonly Client[]> {
  return Promise.all([Client.open(url), Client.open(url, 'u1'), Client.open(url, 'u2'), Client.open(url, 'admin')]);
}

test('gooduncle:F37 gooduncle:F42 gooduncle:F44 T81 T84 a thousand random changes: every subscription equals a fresh read', async () => {
  const chance = new Chance();
  const run = `run${chance.seed}`;
  const all = await clients();
  const writers = await Promise.all([Client.open(url, 'admin'), Client.open(url, 'admin')]);
  const writing = Promise.all(writers.map((writer) => write(writer, new Chance(chance.below(2 ** 31)), run, 500, true)));
  const watched = await watch(all, chance, run);
  // Roles that are given back change nothing for what was made with them.
  for (const client of all.slice(1, 3)) await client.one({ type: 'downgrade' });
  await writing;
  for (const client of all.slice(1, 3)) await client.upgrade(client === all[1] ? 'u1' : 'u2');
  await agree(watched, run);
  for (const client of [...all, ...writers]) client[Symbol.dispose]();
});

test('gooduncle:F42 gooduncle:F48 gooduncle:F58 gooduncle:F61 the same while NATS is cut off and graph-store is killed', async () => {
  const chance = new Chance();
  const run = `cut${chance.seed}`;
  const all = await clients();
  const writers = await Promise.all([Client.open(url, 'admin'), Client.open(url, 'admin')]);
  const watched = await watch(all, chance, run);
  const writing = Promise.all(writers.map((writer) => write(writer, new Chance(chance.below(2 ** 31)), run, 150, false)));
  await new Promise((resolve) => setTimeout(resolve, 300));
  system.nats.pause();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  system.nats.resume();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await system.killStore();
  await system.startStore();
  await writing;
  await agree(watched, run);
  for (const client of [...all, ...writers]) client[Symbol.dispose]();
});

test('gooduncle:F42 T80 whoever subscribes while a row counts up sees every number from then on', async () => {
  const writer = await Client.open(url, 'admin');
  const { response } = await writer.one({ type: 'create', topic: 'products', params: { counter: true, n: 0 } });
  const { id } = response.payload;
  let writing = true;
  let n = 0;
  const counting = (async () => {
    while (writing) {
      const batch: Promise<Answer>[] = [];
      for (let at = 0; at < 5; at += 1) {
        n += 1;
        batch.push(writer.one({ type: 'update', topic: 'products', criteria: { id }, params: { n } }));
      }
      await Promise.all(batch);
    }
  })();
  const client = await Client.open(url);
  for (let round = 0; round < 200; round += 1) {
    const live = await client.subscribe({ subscription: `s${round}`, topic: 'products', criteria: { id } });
    await live.next(3);
    await client.one({ type: 'unsubscribe', subscription: `s${round}` });
    const numbers = live.answers.map((answer) => Number(answer.response.payload.n));
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => (numbers[0] ?? 0) + at),
    );
  }
  writing = false;
  await counting;
  for (const one of [client, writer]) one[Symbol.dispose]();
});

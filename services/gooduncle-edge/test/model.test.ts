/** Live queries against fresh reads: after any changes, the original matches with all events applied are what a read gives. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { type Answer, Client } from './client.ts';
import { type Aside, agree, Chance, ORDERS, PRODUCTS, watch, write } from './exactness.ts';
import { type System, startSystem, TENANT } from './system.ts';

const parts = new AsyncDisposableStack();
let system: System;
let url: string;
before(async () => {
  system = parts.use(await startSystem());
  url = system.edge.url;
});
after(() => parts.disposeAsync());

const TOPICS = [PRODUCTS, ORDERS];
const customers = (): readonly string[] => [system.sub.u1, system.sub.u2];

/** What another protocol would do to the same elements, past this edge. */
const foreign: Aside = async (type, { run, slot }, set) => {
  const where = {
    all: [
      { test: 'equal' as const, path: ['attributes', 'run'], value: run ?? null },
      { test: 'equal' as const, path: ['attributes', 'slot'], value: slot ?? null },
    ],
  };
  const request = {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: 'other',
    app: 'other',
    origin: { protocol: 'hiro', way: 'rest' as const, operation: type },
    operations: [{ op: 'update' as const, target: { where }, set }],
  };
  await system.bus.request(
    graphMutate,
    graphMutate.subject({ tenant: TENANT }),
    { defaultScope: 'other', requests: [request] },
    { timeoutMs: 30_000 },
  );
};

async function clients(): Promise<readonly Client[]> {
  return Promise.all([Client.open(url), Client.open(url, 'u1'), Client.open(url, 'u2'), Client.open(url, 'admin')]);
}

test('gooduncle:F37 gooduncle:F42 gooduncle:F44 T81 T84 a thousand random changes: every subscription equals a fresh read', async () => {
  const chance = new Chance();
  const run = `run${chance.seed}`;
  const all = await clients();
  const writers = await Promise.all([Client.open(url, 'admin'), Client.open(url, 'admin')]);
  const writing = Promise.all(writers.map((writer) => write(writer, chance.another(), run, 500, customers(), { aside: foreign })));
  const watched = await watch(all, TOPICS, chance, run);
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
  const watched = await watch(all, TOPICS, chance, run);
  const writing = Promise.all(writers.map((writer) => write(writer, chance.another(), run, 150, customers())));
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

/** Answers that the reader of T80 may be behind: far fewer than fill what the edge holds for a slow client. */
const MAX_BEHIND = 100;

test('gooduncle:F42 T80 a subscriber that starts while a row counts up sees every later number', async () => {
  const writer = await Client.open(url, 'admin');
  const { response } = await writer.one({ type: 'create', topic: 'products', params: { counter: true, n: 0 } });
  const { id } = response.payload;
  let writing = true;
  let n = 0;
  let live: { readonly answers: readonly Answer[] } | undefined;
  const counting = (async () => {
    while (writing) {
      // Far behind, a reader is told the newest state only (protocol page, 4.5); this is about one that keeps up.
      const told = Number(live?.answers.at(-1)?.response.payload.n ?? n);
      if (n - told > MAX_BEHIND) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        continue;
      }
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
    const subscribed = await client.subscribe({ subscription: `s${round}`, topic: 'products', criteria: { id } });
    live = subscribed;
    await subscribed.next(3);
    await client.one({ type: 'unsubscribe', subscription: `s${round}` });
    live = undefined;
    const numbers = subscribed.answers.map((answer) => Number(answer.response.payload.n));
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => (numbers[0] ?? 0) + at),
    );
  }
  writing = false;
  await counting;
  for (const one of [client, writer]) one[Symbol.dispose]();
});

/** The browser example of the README, run as it is: with timers that never fire, as in a tab that has been hidden for long. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { Client } from './client.ts';
import { type System, startSystem, USERS } from './system.ts';

interface Shop {
  login(user: string, password: string): Promise<readonly { readonly code: string }[]>;
  request(request: object): Promise<readonly { readonly code: string }[]>;
  subscribe(query: object, onRows: (rows: readonly { readonly name: string }[]) => void): () => void;
  close(): void;
}

let system: System;
before(async () => {
  system = await startSystem();
});
after(() => system[Symbol.asyncDispose]());

/** What the example exports, in a browser of our own making. */
async function browser(
  setInterval: unknown,
): Promise<{ readonly GoodUncle: new (url: string, options: object) => Shop; sha256(text: string): Promise<string> }> {
  const source = await readFile(new URL('../examples/client.js', import.meta.url), 'utf8');
  const { WebSocket, crypto, setTimeout, clearInterval } = globalThis;
  const script = `${source.replaceAll(/^export /gm, '')}\n;({ GoodUncle, sha256 })`;
  return runInNewContext(script, { WebSocket, crypto, TextEncoder, setTimeout, setInterval, clearInterval });
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('gooduncle:F57 the browser example lives without timers, sees faults, and comes back with its roles and subscriptions', async () => {
  const edge = await system.startEdge();
  const { GoodUncle, sha256 } = await browser(() => 0);
  const states: string[] = [];
  const shop = new GoodUncle(edge.url.replace('http', 'ws'), { onState: (state: string) => states.push(state) });
  let rows: readonly string[] = [];
  const stop = shop.subscribe({ topic: 'products', criteria: { shown: true }, sort: ['name'], limit: 3 }, (now) => {
    rows = now.map(({ name }) => name);
  });
  assert.equal((await shop.login(USERS.admin.user, await sha256('admin')))[0]?.code, 'ok');
  for (const name of ['c', 'a', 'd', 'b']) await shop.request({ type: 'create', topic: 'products', params: { name, shown: true } });
  await until(() => rows.join('') === 'abc');
  // Longer than a client may be silent.
  await new Promise((resolve) => setTimeout(resolve, 4000));
  assert.deepEqual(states, ['connecting', 'open']);

  await edge.restart();
  await until(() => states.length > 2 && states.at(-1) === 'open');
  using other = await Client.open(system.edge.url, 'admin');
  await other.one({ type: 'delete', topic: 'products', criteria: { name: 'a' } });
  await until(() => rows.join('') === 'bcd');
  assert.equal((await shop.request({ type: 'create', topic: 'products', params: { name: 'e' } }))[0]?.code, 'ok');
  stop();
  shop.close();
});

test('gooduncle:F57 the browser example tells a connection that has gone quiet from a good one', async () => {
  const edge = await system.startEdge();
  const { GoodUncle } = await browser(setInterval);
  const states: string[] = [];
  const shop = new GoodUncle(edge.url.replace('http', 'ws'), { onState: (state: string) => states.push(state) });
  await until(() => states.at(-1) === 'open');
  edge.pause();
  await until(() => states.includes('faulty'));
  edge.resume();
  await until(() => states.at(-1) === 'open');
  edge.pause();
  await until(() => states.at(-1) === 'closed' || states.at(-1) === 'connecting');
  edge.resume();
  await until(() => states.at(-1) === 'open');
  shop.close();
});

/** The examples of docs/protocols/gooduncle.md, run as they are: with timers that never fire, as in a tab that has been hidden for long. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { Client } from './client.ts';
import { ADMINISTRATOR, type System, startSystem, USERS } from './system.ts';

interface Shop {
  login(user: string, password: string): Promise<readonly { readonly code: string }[]>;
  request(request: object): Promise<readonly { readonly code: string }[]>;
  subscribe(query: object, onRows: (rows: readonly { readonly name: string }[]) => void): () => void;
  close(): void;
}

const parts = new AsyncDisposableStack();
let system: System;
before(async () => {
  system = parts.use(await startSystem());
});
after(() => parts.disposeAsync());

/** What the example exports, in a browser of our own making. */
async function browser(
  setInterval: unknown,
): Promise<{ readonly GoodUncle: new (url: string, options: object) => Shop; sha256(text: string): Promise<string> }> {
  const source = await readFile(new URL('../examples/client.js', import.meta.url), 'utf8');
  const { WebSocket, crypto, setTimeout, clearInterval } = globalThis;
  const script = `${source.replaceAll(/^export /gm, '')}\n;({ GoodUncle, sha256 })`;
  return runInNewContext(script, { WebSocket, crypto, TextEncoder, setTimeout, setInterval, clearInterval });
}

async function until(holds: () => boolean, seen: readonly string[] = []): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `did not happen in time: ${seen.slice(-10).join('; ')}`);
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

test('gooduncle:F57 the example to paste lives without timers too, whether or not events take the place of beats', async () => {
  const page = await readFile(new URL('../../../docs/protocols/gooduncle.md', import.meta.url), 'utf8');
  const script = /^```js\n([\s\S]*?)^```/m.exec(page)?.[1] ?? '';
  const address = 'ws://127.0.0.1:5404';
  assert.ok(script.includes(`'${address}'`), 'it goes to the usual port');
  const printed: string[] = [];
  const console = { log: (...words: readonly unknown[]) => printed.push(words.slice(0, 3).join(' ')) };
  let opened: WebSocket | undefined;
  const { crypto } = globalThis;
  const Socket = class extends WebSocket {
    constructor(url: string) {
      super(url);
      opened = this;
    }
  };
  const process = { env: { PASSWORD: ADMINISTRATOR.password } };
  const url = system.edge.url.replace('http', 'ws');
  runInNewContext(script.replace(address, url), { WebSocket: Socket, crypto, TextEncoder, console, process });
  const ofPies = ['subscribe ok match created', 'update ok ', 'subscribe ok match dropped'];
  await until(() => ofPies.every((line) => printed.includes(line)), printed);
  using other = await Client.open(system.edge.url, 'admin');
  // Longer than a client may be silent: first quiet, then with an event every 100 ms.
  await new Promise((resolve) => setTimeout(resolve, 3500));
  for (let price = 0; price < 35; price += 1) {
    await other.one({ type: 'create', topic: 'products', params: { price: price % 10 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until(() => printed.filter((line) => line === 'subscribe ok match created').length === 36, printed);
  assert.equal(opened?.readyState, WebSocket.OPEN);
  opened?.close();
});

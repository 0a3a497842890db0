/** The example of docs/protocols/gooduncle.md, run as it is: with timers that never fire, as in a tab that has been hidden for long. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { until } from '@polyedge/testkit/until';
import { Client } from './client.ts';
import { ADMINISTRATOR, AS_BY_DEFAULT, type System, startSystem } from './system.ts';

const parts = new AsyncDisposableStack();
let system: System;
before(async () => {
  system = parts.use(await startSystem({ edge: AS_BY_DEFAULT }));
});
after(() => parts.disposeAsync());

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
  await until('the script prints its story', () => ofPies.every((line) => printed.includes(line)), { seen: () => printed.slice(-10) });
  using other = await Client.open(system.edge.url, 'admin');
  // Longer than a client may be silent: first quiet, then with an event every 100 ms.
  await new Promise((resolve) => setTimeout(resolve, 3500));
  for (let price = 0; price < 35; price += 1) {
    await other.one({ type: 'create', topic: 'products', params: { price: price % 10 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const heard = () => printed.filter((line) => line === 'subscribe ok match created').length;
  await until('it hears every product', () => heard() === 36, { seen: () => printed.slice(-10) });
  assert.equal(opened?.readyState, WebSocket.OPEN);
  opened?.close();
});

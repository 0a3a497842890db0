/** The client against the real thing: edges, store and servers in processes of their own. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { accountsLogin, accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { until } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';
import { Client } from '../../../services/gooduncle-edge/test/client.ts';
import { ADMINISTRATOR, AS_BY_DEFAULT, type System, startSystem, TENANT, USERS } from '../../../services/gooduncle-edge/test/system.ts';
import { GoodUncle, type Status } from '../src/index.ts';
import { withCuts } from './cuts.ts';
import { openTab } from './hidden-tab.ts';

interface Topics {
  readonly products: { readonly kind: string; readonly name: string; readonly n?: number };
  readonly orders: { readonly items: readonly string[]; readonly userId?: string; readonly status?: string };
}

const parts = new AsyncDisposableStack();
let system: System;
let other: Awaited<ReturnType<System['startEdge']>>;
/** Logged in before the clients of all tests are: it does not wait and try again, as they do, when logins are many. */
let writer: Client;
before(async () => {
  system = parts.use(await startSystem({ edge: AS_BY_DEFAULT }));
  other = await system.startEdge();
  writer = parts.use(await Client.open(system.edge.url, 'admin'));
});
after(() => parts.disposeAsync());

const open = (url = system.edge.url): GoodUncle<Topics> & Disposable => {
  const client = new GoodUncle<Topics>(url);
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
};

suite('a client of the real edge', { concurrency: true }, () => {
  test('gooduncle:F57 through cuts, a restart and another replica its rows are what was written at the version it says', async () => {
    const seen = await withCuts({
      system,
      others: [other],
      seed: Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)),
      cuts: 24,
      restartEvery: 16,
    });
    assert.ok(seen.synced > 20 && seen.restarts === 1, JSON.stringify(seen));
  });

  test('gooduncle:F57 it tells a connection that has gone quiet from a good one, and comes back with its roles and subscriptions', async () => {
    const edge = await system.startEdge();
    const states: Status['state'][] = [];
    using client = open(edge.url);
    client.onStatus(({ state }) => states.push(state));
    assert.deepEqual(await client.upgrade({ user: USERS.admin.user, password: 'admin' }), { ok: true, roles: ['admin'] });
    const made = await client.create('products', { kind: 'quiet', name: 'a' });
    const live = client.subscribe({ topic: 'products', criteria: { kind: 'quiet' } });
    assert.ok((await live.ready()).ok && made.ok);
    edge.pause();
    await until('it finds the connection faulty', () => states.includes('faulty'));
    edge.resume();
    await until('the connection is good again', () => states.at(-1) === 'open');
    edge.pause();
    await until('it gives the connection up', () => states.at(-1) === 'waiting' || states.at(-1) === 'connecting');
    assert.deepEqual([live.state, live.rows.length], ['stale', 1]);
    edge.resume();
    await until('the subscription is synced again', () => live.state === 'synced');
    assert.deepEqual(client.status.roles, ['admin']);
    assert.ok((await client.delete('products', { id: made.resource.id })).ok);
    await until('the row is gone', () => live.rows.length === 0);
  });

  test('what is expected to fail is told in values, and a subscription that is withdrawn says why', async () => {
    using client = open();
    const refused = await client.create('products', { kind: 'x', name: 'x' });
    assert.deepEqual([refused.ok, !refused.ok && refused.code, !refused.ok && refused.problems[0]?.reason], [false, 'forbidden', 'role']);
    const wrong = await client.upgrade({ user: USERS.u2.user, password: 'guess' });
    assert.equal(!wrong.ok && wrong.problems[0]?.reason, 'credentials');
    assert.ok((await client.upgrade({ user: USERS.u2.user, password: 'two' })).ok);
    const order = await client.create('orders', { items: ['pie'] });
    assert.ok(order.ok && order.resource.userId === system.sub.u2, JSON.stringify(order));
    const unknown = await client.read({ topic: 'orders', criteria: { items: { $foo: 1 } as never } });
    assert.equal(!unknown.ok && unknown.problems[0]?.field, 'criteria.items.$foo');
    assert.deepEqual(await client.read({ topic: 'orders', criteria: { status: 'none' } }), {
      ok: true,
      rows: [],
      version: undefined,
      cursor: undefined,
    });
    const counted = await client.count('orders');
    assert.equal(counted.ok && counted.count, 1);
    const unmatched = await client.update('orders', { id: 'none' }, { 'address.city': 'Ulm' });
    assert.equal(!unmatched.ok && unmatched.code, 'not found');

    const live = client.subscribe({ topic: 'orders', sort: ['status'] });
    const states: string[] = [];
    live.listen(({ state, failure }) => states.push(`${state} ${failure?.problems[0]?.reason ?? ''}`));
    assert.ok((await live.ready()).ok);
    const change = { id: system.sub.u2, roles: { gooduncle: ['customer'] }, by: 'test' };
    assert.ok((await system.bus.request(accountsUpdate, accountsUpdate.subject({ tenant: TENANT }), change, { timeoutMs: 10_000 })).ok);
    await until('the subscription is ended', () => live.state === 'ended');
    assert.deepEqual(states, ['synced ', 'ended revoked']);
  });

  test('where the platform has no WebSocket it uses the one of the package ws', async () => {
    const client = new GoodUncle<Topics>(system.edge.url, { WebSocket });
    const found = await client.read({ topic: 'products', criteria: { kind: 'nothing has it' } });
    assert.equal(found.ok, true);
    client.close();
    const late = await client.count('products');
    assert.equal(!late.ok && late.code, 'closed');
  });

  test('a token is asked for when it is needed, and what was asked for before it came has its roles', async () => {
    using client = open();
    const { user, password } = USERS.u1;
    const token = async (): Promise<string> => {
      const request = { username: user, proof: password, protocol: 'gooduncle', app: 'test', address: '127.0.0.1' };
      const made = await system.bus.request(accountsLogin, accountsLogin.subject({}), request, { timeoutMs: 10_000 });
      return made.ok ? made.value.accessToken : '';
    };
    const login = client.upgrade({ token });
    const live = client.subscribe({ topic: 'orders' });
    assert.deepEqual(await login, { ok: true, roles: ['customer'] });
    assert.deepEqual(await live.ready(), { ok: true, rows: [] });
    const none = await client.upgrade({ token: () => Promise.reject(new Error('nobody is there')) });
    assert.equal(!none.ok && none.message, 'there was no token');
  });

  test('the example of the README shows a first success', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const script = /^```js\n([\s\S]*?)^```/m.exec(readme)?.[1] ?? '';
    const folder = await mkdtemp(join(tmpdir(), 'polyedge-pies-'));
    const file = join(folder, 'pies.mjs');
    const url = system.edge.url.replace('http', 'ws');
    const source = new URL('../src/index.ts', import.meta.url).href;
    // Rows of other tests have prices too.
    const own = script
      .replace('ws://127.0.0.1:5404', url)
      .replace('@polyedge/gooduncle-client', source)
      .replace('price: { $lt', "name: 'Pie', price: { $lt");
    await writeFile(file, own);
    const env = { ...process.env, PASSWORD: ADMINISTRATOR.password };
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env, timeout: 60_000 });
    await rm(folder, { recursive: true });
    assert.deepEqual(stdout.split('\n').slice(0, 4), ['', 'Pie 5', 'Pie 4', '']);
  });

  test('gooduncle:F57 the example page lives in a hidden tab of Chromium, whose timers fire once a minute', async () => {
    await using tab = await openTab(system.edge.url.replace('http', 'ws'));
    const { reports } = tab;
    const last = () => reports.at(-1);
    await until('the page is connected', () => last()?.state === 'open', { seen: last });
    await tab.hide();
    let name = 0;
    const write = async (): Promise<number> => {
      name += 1;
      const shown = `! ${name}: ${name}`;
      await writer.one({ type: 'create', topic: 'products', params: { kind: 'tab', name: `! ${name}`, price: name } });
      await until('the page shows the product', () => last()?.products.includes(shown) === true, { seen: last });
      return last()?.ticks ?? 0;
    };
    // From when its timers stand still, it lives longer than a client may be silent.
    for (let ticks = -1, now = await write(); now !== ticks; ) {
      ticks = now;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      now = await write();
    }
    const before = last();
    await new Promise((resolve) => setTimeout(resolve, 3500));
    await write();
    assert.equal(last()?.visibility, 'hidden');
    assert.ok((last()?.ticks ?? 0) - (before?.ticks ?? 0) <= 2, 'its timers stand still');
    const states = reports.map(({ state }) => state);
    const sinceOpen = new Set(states.slice(states.indexOf('open')));
    assert.ok(!sinceOpen.has('connecting') && ![...sinceOpen].some((state) => state.startsWith('waiting')), states.join(' '));
  });
});

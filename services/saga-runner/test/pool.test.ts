import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Ended } from '../src/isolate/messages.ts';
import { type Order, Pool } from '../src/pool.ts';

const LIMITS = {
  ...{ wallMs: 20_000, cpuMs: 10_000, memoryMb: 32, logLines: 1, logBytes: 65_536 },
  ...{ calls: 10, callsPerSecond: 10, resultBytes: 65_536 },
};
const pool = new Pool({ shared: 1, alone: 1, perProcess: 2, onRoom: () => {}, onEnd: () => {}, bundle: () => undefined });
after(() => pool.close());

/** Runs alone, in the tenant `a`. @returns how it ended, or why its process did */
const alone = (body: string): Promise<Ended['outcome'] | string> =>
  new Promise((resolve) => {
    const run = { tenant: 'a', alone: true, suspect: false, memoryBytes: 0 };
    assert.ok(pool.hasRoom(run));
    const order: Omit<Order, 'to' | 'run'> = {
      ...{ key: body, file: '/scripts/x', source: `(async function (property) {\n${body}\n})`, args: '[1]', kind: 'event' },
      ...{ current: {}, packages: {}, limits: LIMITS },
    };
    const handler = { message: () => {}, ended: ({ outcome }: Ended) => resolve(outcome), crashed: resolve };
    pool.place(run, LIMITS.wallMs, handler).begin(order);
  });

test('saga:22 a run that is alone finds a process that waits, and another one is started; only memory costs a process', async () => {
  pool.warm(['a', 'b']);
  assert.deepEqual([pool.stats.started, pool.size], [2, 1]);
  assert.deepEqual(await alone('return;'), { is: 'returned' });
  assert.deepEqual([pool.stats.started, pool.size], [3, 2]);
  assert.deepEqual(await alone('console.log(1); console.log(2); await new Promise(() => {});'), { is: 'broke', limit: 'log' });
  assert.deepEqual(await alone('return;'), { is: 'returned' });
  assert.deepEqual([pool.stats.started, pool.size], [3, 2]);
  const bomb = await alone('const all = []; for (;;) all.push(new Array(1000000).fill(1.5));');
  assert.ok(typeof bomb === 'string' || bomb.is === 'broke', JSON.stringify(bomb));
  assert.deepEqual(await alone('return;'), { is: 'returned' });
  assert.deepEqual([pool.stats.started, pool.size], [4, 2]);
});

/** What an expression is in a run, by way of JSON. */
async function resultOf(expression: string): Promise<unknown> {
  const ended = await alone(`throw new Error(JSON.stringify(${expression}));`);
  assert.ok(typeof ended === 'object' && ended.is === 'threw', JSON.stringify(ended));
  return JSON.parse(ended.message);
}

test('saga:23 parts of bytes are decoded as parts, and a query keeps its order and its URL', async () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['new TextDecoder().decode(new TextEncoder().encode("hello").subarray(1, 3))', 'el'],
    ['new TextDecoder().decode(new DataView(new TextEncoder().encode("hello").buffer, 3))', 'lo'],
    ['new TextDecoder().decode(new Uint8Array([239, 187, 191, 104]))', 'h'],
    ['Buffer.from("hello").toString("utf8", 1, 3)', 'el'],
    ['Buffer.from("hello").toString("latin1", 3)', 'lo'],
    ['Buffer.from("hello").toString()', 'hello'],
    ['Buffer.from(Buffer.from("hello").buffer, 1, 3).toString()', 'ell'],
    [
      '(() => { const query = new URLSearchParams("a=1&b=2&a=3"); query.set("a", "4"); query.set("c", "5"); return String(query); })()',
      'a=4&b=2&c=5',
    ],
    [
      '(() => { const url = new URL("http://a/?b=1"); url.searchParams.set("b", "x".repeat(9000)); return url.href.slice(0, 9); })()',
      'http://a/',
    ],
  ];
  for (const [expression, value] of cases) assert.deepEqual(await resultOf(expression), value, expression);
});

test('runs share a process as far as the memory that they are expected to take allows, and one may always run', () => {
  const own = new Pool({ shared: 1, alone: 1, perProcess: 8, onRoom: () => {}, onEnd: () => {}, bundle: () => undefined });
  try {
    own.warm(['a']);
    const run = (megabytes: number) => ({ tenant: 'a', alone: false, suspect: false, memoryBytes: megabytes * 1024 * 1024 });
    const handler = { message: () => {}, ended: () => {}, crashed: () => {} };
    const large = own.place(run(600), LIMITS.wallMs, handler);
    assert.deepEqual([own.hasRoom(run(600)), own.hasRoom(run(0))], [false, false]);
    large.release();
    own.place(run(300), LIMITS.wallMs, handler);
    assert.deepEqual([own.hasRoom(run(300)), own.hasRoom(run(200))], [false, true]);
    assert.deepEqual([own.size, own.running], [1, 1]);
  } finally {
    own.close();
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HashQueue } from './hash-queue.ts';

/** Hashes that complete on the test's command, on a clock that the test moves. */
function started(parallel = 1) {
  let at = 0;
  const queue = new HashQueue(parallel, () => at);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    queue,
    begun,
    ask: (name: string, { address = 'here', account = name, deadline = 10_000 } = {}) =>
      queue.run({ address, account, deadline }, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      }),
    async end(name: string, tookMs = 100) {
      at += tookMs;
      ends.get(name)?.();
      await settle();
    },
    settle,
  };
}

test('work that would finish too late is never begun', async () => {
  const { queue, ask, end, begun, settle } = started();
  void ask('first');
  const gone = ask('gone', { deadline: 90 });
  const tooLate = ask('too late', { deadline: 150 });
  const good = ask('good', { deadline: 10_000 });
  await settle();
  await end('first', 100);
  assert.equal(await gone, 'expired');
  assert.equal(await tooLate, 'expired', 'a hash takes 100 ms, but only 50 are left');
  await end('good');
  assert.equal(await good, 'good');
  assert.deepEqual(begun, ['first', 'good']);
  assert.deepEqual({ ...queue.stats }, { hashed: 2, expired: 2, refused: 0 });
});

test('a caller from another address than the flood is next, whenever it arrives', async () => {
  const { ask, end, begun, settle } = started();
  for (let n = 0; n < 40; n += 1) void ask(`flood ${n}`, { address: `flood ${n % 2}` });
  await settle();
  await end('flood 0');
  void ask('good', { address: 'home' });
  await end(begun.at(-1) ?? '');
  assert.equal(begun.at(-1), 'good');
});

test('among callers of one address, the account served longest ago comes first, then the newest', async () => {
  const { ask, end, begun, settle } = started();
  void ask('first', { account: 'guessed' });
  for (const name of ['second', 'third']) void ask(name, { account: 'guessed' });
  void ask('other');
  await settle();
  await end('first');
  await end('other');
  await end('third');
  await end('second');
  assert.deepEqual(begun, ['first', 'other', 'third', 'second']);
});

test('only one hash per account runs at a time, while others use the other cores', async () => {
  const { ask, end, begun, settle } = started(2);
  void ask('one', { account: 'guessed' });
  void ask('two', { account: 'guessed' });
  void ask('else');
  await settle();
  assert.deepEqual(begun, ['one', 'else']);
  await end('one');
  assert.deepEqual(begun, ['one', 'else', 'two']);
});

test('a full queue rejects the oldest caller of the address with the most', async () => {
  const { queue, ask, begun, settle } = started();
  void ask('running', { address: 'x' });
  await settle();
  const good = ask('good', { address: 'home' });
  const flood = Array.from({ length: 65 }, (_, n) => ask(`flood ${n}`, { address: 'flood' }));
  assert.equal(await flood[0], 'busy');
  assert.equal(await flood[1], 'busy');
  assert.equal(queue.stats.refused, 2);
  assert.equal(await Promise.race([good, settle()]), undefined, 'it still waits');
  assert.deepEqual(begun, ['running']);
});

/** The operators of properties. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fresh, makeBot, poster } from './properties-scene.ts';
import { admin, boss } from './saga-scene.ts';

const NUMBER = ['incr', 'inrc', 'mul'];
const LIST = ['sadd', 'rem', 'lpush', 'rpush', 'lpop', 'rpop'];
const HASH = ['set', 'unset', 'hincr', 'hmul', 'hlpush', 'hrpush', 'hlpop', 'hrpop', 'hrem', 'hsadd'];

/** Value there, payload, and the value after: undefined for `there` is a missing property, a number for `after` in brackets a status. */
const table: readonly (readonly [operator: string, there: unknown, payload: object, after: unknown, popped?: unknown])[] = [
  ['incr', undefined, { value: 2 }, 2],
  ['inrc', 3, { value: 2.5 }, 5.5],
  ['mul', undefined, { value: 2 }, 0],
  ['mul', 3, { value: -2 }, -6],
  ['sadd', undefined, { value: 'a' }, ['a']],
  ['sadd', [{ a: 1, b: 2 }], { value: { b: 2, a: 1 } }, [{ a: 1, b: 2 }]],
  ['sadd', [1], { value: '1' }, [1, '1']],
  ['rem', [1, 2, 1], { value: 1 }, [2]],
  ['lpush', undefined, { value: 1 }, [1]],
  ['lpush', [1], { value: 2 }, [2, 1]],
  ['rpush', [1], { value: [2] }, [1, [2]]],
  ['lpop', undefined, {}, null, null],
  ['lpop', [1, 2], {}, [2], 1],
  ['rpop', [1, 2], {}, [1], 2],
  ['rpop', [], {}, [], null],
  ['set', undefined, { key: 'k', value: 1 }, { k: 1 }],
  ['set', { k: 1 }, { key: 'l', value: { x: 1 } }, { k: 1, l: { x: 1 } }],
  ['unset', { k: 1, l: 2 }, { key: 'k' }, { l: 2 }],
  ['unset', { l: 2 }, { key: 'k' }, { l: 2 }],
  ['hincr', undefined, { key: 'k', value: 2 }, { k: 2 }],
  ['hincr', { k: 1 }, { key: 'k', value: 2 }, { k: 3 }],
  ['hmul', { k: 3 }, { key: 'l', value: 2 }, { k: 3, l: 0 }],
  ['hlpush', undefined, { key: 'k', value: 1 }, { k: [1] }],
  ['hlpush', { k: [1] }, { key: 'k', value: 2 }, { k: [2, 1] }],
  ['hrpush', { k: [1] }, { key: 'k', value: 2 }, { k: [1, 2] }],
  ['hlpop', undefined, { key: 'k' }, null, null],
  ['hlpop', { k: [1, 2] }, { key: 'k' }, { k: [2] }, 1],
  ['hrpop', { k: [1, 2] }, { key: 'k' }, { k: [1] }, 2],
  ['hrpop', { l: 1 }, { key: 'k' }, { l: 1 }, null],
  ['hrem', { k: [1, 2, 1] }, { key: 'k', value: 1 }, { k: [2] }],
  ['hrem', { l: 1 }, { key: 'k', value: 1 }, { l: 1 }],
  ['hsadd', undefined, { key: 'k', value: 1 }, { k: [1] }],
  ['hsadd', { k: [1] }, { key: 'k', value: 1 }, { k: [1] }],
];

test('saga:10 every operator does what its table says, whether the property or the key is there or not', async () => {
  const bot = await makeBot();
  const post = poster(bot);
  await boss.send('/bots/join', bot);
  const seen = new Set<string>();
  for (const [operator, there, payload, after_, popped] of table) {
    seen.add(operator);
    const name = fresh();
    if (there !== undefined) await post(undefined, { name, value: there });
    const before_ = boss.events('/properties').length;
    const ack = await post(operator, { name, ...payload });
    assert.equal(ack.status_code, 200, `${operator} ${JSON.stringify(ack.body)}`);
    assert.deepEqual(ack.body.value, after_, operator);
    assert.deepEqual(ack.body.popped, popped, operator);
    // A missing key changes nothing and tells nobody; everything else does, also where the value is the same.
    const nothing = there !== undefined && 'key' in payload && JSON.stringify(there) === JSON.stringify(after_) && operator !== 'hsadd';
    assert.equal(boss.events('/properties').length - before_, nothing ? 0 : 1, `${operator} on ${JSON.stringify(there)}`);
  }
  assert.deepEqual([...seen].sort(), [...NUMBER, ...LIST, ...HASH].sort());
});

test('saga:10 what an operator cannot work on, with or on is refused with the field at fault', async () => {
  const post = poster(await makeBot());
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    number: ['a', true, [], {}],
    list: ['a', 1, true, {}],
    object: ['a', 1, true, []],
  };
  for (const operator of [...NUMBER, ...LIST, ...HASH]) {
    const kind = NUMBER.includes(operator) ? 'number' : LIST.includes(operator) ? 'list' : 'object';
    const payload = { key: 'k', value: 1 };
    for (const value of wrong[kind] ?? []) {
      const name = fresh();
      await post(undefined, { name, value });
      const ack = await post(operator, { name, ...payload });
      assert.equal(ack.status_code, 422, `${operator} on ${JSON.stringify(value)}`);
      assert.equal(typeof ack.body.errors.value, 'string');
    }
    if (kind === 'object') {
      for (const key of [undefined, '', 'a.b', '$a', '__proto__', 'x'.repeat(257), 7]) {
        const ack = await post(operator, { name: fresh(), value: 1, ...(key === undefined ? {} : { key }) });
        assert.ok(
          ack.status_code === 422 || (ack.status_code === 404 && ['unset', 'hrem'].includes(operator)),
          `${operator} key ${String(key)}`,
        );
      }
    }
    if (NUMBER.includes(operator) || ['hincr', 'hmul'].includes(operator)) {
      for (const value of [undefined, '1', null, [], {}]) {
        const ack = await post(operator, { name: fresh(), key: 'k', value });
        assert.equal(ack.status_code, 422);
        assert.equal(typeof ack.body.errors.value, 'string');
      }
    }
    if (/push|sadd|rem/.test(operator)) assert.equal((await post(operator, { name: fresh(), key: 'k' })).status_code, 422, operator);
  }
  for (const operator of ['unset', 'rem', 'hrem']) {
    const ack = await post(operator, { name: fresh(), key: 'k', value: 1 });
    assert.deepEqual([ack.status_code, ack.body.message], [404, 'Property does not exist'], operator);
  }
  const name = fresh();
  await post(undefined, { name, value: 1e308 });
  assert.equal((await post('mul', { name, value: 100 })).status_code, 422);
  assert.equal((await post('explode', { name, value: 100 })).status_code, 404);
});

test('saga:10 saga:17 saga:36 two hundred concurrent increments from four sockets add up, and each is one entry of the timeline', async () => {
  const bot = await makeBot();
  const clients = await Promise.all([admin(), admin(), admin(), admin()]);
  for (const client of clients) await client.send('/bots/join', bot);
  const acks = await Promise.all(
    clients.flatMap((client) =>
      Array.from({ length: 50 }, () => client.send('/bots/properties/incr', { name: 'n', parent_id: bot, value: 1 })),
    ),
  );
  const values = acks.map(({ body }) => body.value).sort((one, other) => one - other);
  assert.deepEqual(
    values,
    Array.from({ length: 200 }, (_, at) => at + 1),
  );
  for (const client of clients) {
    await client.next('/properties', 200);
    const events = client.events('/properties');
    assert.deepEqual(
      events.map(({ value }) => value),
      Array.from({ length: 200 }, (_, at) => at + 1),
    );
    assert.ok(events.every(({ sortable_id }, at) => at === 0 || sortable_id > events[at - 1].sortable_id));
  }
  // The value list, newest first, in pages.
  const listed: number[] = [];
  let path: string | undefined = `/bots/${bot}/properties/n/values?limit=30`;
  while (path !== undefined) {
    const page = await boss.api('GET', path);
    assert.equal(page.status, 200);
    listed.push(...page.body.map(({ value }: { value: number }) => value));
    path = /<([^>]+)>; rel="next"/.exec(page.link ?? '')?.[1];
  }
  assert.deepEqual(
    listed,
    Array.from({ length: 200 }, (_, at) => 200 - at),
  );
  // The stream, resumed after any entry.
  const streamed: { value: number; sortable_id: number }[] = [];
  path = `/bots/${bot}/properties/n/stream?limit=70`;
  while (path !== undefined) {
    const page = await boss.api('GET', path);
    streamed.push(...page.body);
    path = /<([^>]+)>; rel="next"/.exec(page.link ?? '')?.[1];
  }
  assert.deepEqual(
    streamed.map(({ value }) => value),
    Array.from({ length: 200 }, (_, at) => at + 1),
  );
  const resumed = await boss.api('GET', `/bots/${bot}/properties/n/stream?sortable_id=${streamed[196]?.sortable_id}`);
  assert.deepEqual(
    resumed.body.map(({ value }: { value: number }) => value),
    [198, 199, 200],
  );
  const all = await boss.api('GET', `/bots/${bot}/properties/stream?sortable_id=${streamed[198]?.sortable_id}`);
  assert.deepEqual(
    all.body.map(({ value }: { value: number }) => value),
    [200],
  );
});

/** Properties over sockets and REST: who receives them, and what they may hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fresh, makeBot, poster } from './properties-scene.ts';
import { admin, boss } from './saga-scene.ts';

test('saga:8 saga:9 a plain post on each parent is received before its answer, with all fields, and globals have no parent', async () => {
  const client = await admin();
  const bot = await makeBot();
  for (const [base, id] of [
    ['users', client.me],
    ['bots', bot],
    ['globals', undefined],
  ] as const) {
    assert.equal((await client.send(`/${base}/join`, id ?? '')).status_code, 200);
    const name = fresh();
    const ack = await client.send(`/${base}/properties`, {
      name,
      value: { deep: [1, null, 'ä'] },
      ...(id === undefined ? {} : { parent_id: id }),
    });
    const [event, answer] = client.log.slice(-2);
    assert.ok(event !== undefined && 'ev' in event && answer !== undefined && 'ack' in answer);
    assert.deepEqual(event.payload, ack.body);
    const { type, parent_id, value, source_creator, sortable_id, created_at, createdAt } = ack.body;
    assert.deepEqual(
      { type, parent_id, value, source_creator },
      {
        type: { users: 'user', bots: 'bot', globals: 'globals' }[base],
        parent_id: id ?? null,
        value: { deep: [1, null, 'ä'] },
        source_creator: { type: 'socket' },
      },
    );
    assert.ok(Number.isSafeInteger(sortable_id));
    assert.equal(created_at, createdAt);
  }
});

test('saga:8 two joined sockets get each change once, also one that joined twice', async () => {
  const [one, other] = await Promise.all([admin(), admin()]);
  for (const client of [one, one, other]) await client.send('/users/join', client.me);
  await other.send('/users/join', { _id: other.me });
  const ack = await one.send('/users/properties', { name: fresh(), parent_id: one.me, value: 1 });
  await other.next('/properties');
  const marker = await one.send('/users/properties', { name: fresh(), parent_id: one.me, value: 2 });
  await other.next('/properties', 2);
  for (const client of [one, other]) assert.deepEqual(client.events('/properties'), [ack.body, marker.body]);
});

test('saga:9 a name with a space is rejected on three parents and not sent to anyone; digits are a name', async () => {
  const client = await admin();
  const bot = await makeBot();
  await client.send('/users/join', client.me);
  await client.send('/bots/join', bot);
  await client.send('/globals/join', '');
  for (const [base, parent_id] of [
    ['users', client.me],
    ['bots', bot],
    ['globals', undefined],
  ] as const) {
    for (const name of ['a b', '', '__proto__', 'constructor', 'a.b', '$x', 'x'.repeat(129), 7, null]) {
      const ack = await client.send(`/${base}/properties`, { name, parent_id, value: 1 });
      assert.equal(ack.status_code, 422, String(name));
      assert.equal(typeof ack.body.errors.name, 'string');
    }
    assert.equal((await client.send(`/${base}/properties`, { name: '123456', parent_id, value: 1 })).status_code, 200);
  }
  assert.equal(client.events('/properties').length, 3);
  assert.equal((await client.send('/users/properties', { name: 'x', value: 1 })).status_code, 400);
  assert.equal((await client.send('/users/properties', 'x')).status_code, 400);
  assert.equal((await client.send('/bots/properties', { name: 'x', parent_id: 'nobody', value: 1 })).body.message, 'Bot does not exist');
  for (const alias of ['id', 'user_id']) {
    assert.equal((await client.send('/users/properties', { name: fresh(), [alias]: client.me })).body.value, null);
  }
});

test('saga:14 saga:18 properties are read and written over REST, and sockets receive the changes', async () => {
  const client = await admin();
  const bot = await makeBot();
  await client.send('/bots/join', bot);
  const base = `/bots/${bot}/properties`;
  const written = await client.api('POST', base, { name: 'a', value: 1 });
  assert.deepEqual(written.body.source_creator, { type: 'rest' });
  assert.equal((await client.api('PUT', `${base}/a`, { value: { k: 1 } })).status, 200);
  assert.equal((await client.api('POST', `${base}/a/hincr`, { key: 'k', value: 4 })).body.value.k, 5);
  assert.equal((await client.api('POST', `${base}/a/dance`, {})).status, 404);
  assert.equal((await client.api('POST', base, { name: 'b c', value: 1 })).status, 422);
  await client.next('/properties', 3);
  assert.deepEqual(
    client.events('/properties').map(({ value }) => value),
    [1, { k: 1 }, { k: 5 }],
  );
  assert.deepEqual(
    (await client.api('GET', base)).body.map(({ name }: { name: string }) => name),
    ['a'],
  );
  assert.deepEqual((await client.api('GET', `${base}/a`)).body.value, { k: 5 });
  assert.equal((await client.api('GET', `${base}/nothing`)).body.message, 'Property does not exist');
  assert.equal((await client.api('GET', '/bots/nobody/properties')).body.message, 'Bot does not exist');
  assert.deepEqual((await client.api('DELETE', `${base}/a`)).body, { ok: 1 });
  assert.equal((await client.next('/properties', 4)).value, null);
  assert.equal((await client.api('GET', `${base}/a`)).status, 404);
  // The timeline begins behind the mark that the deletion left.
  await client.api('PUT', `${base}/a`, { value: 'again' });
  assert.deepEqual(
    (await client.api('GET', `${base}/a/values`)).body.map(({ value }: { value: unknown }) => value),
    ['again'],
  );
  const globals = await client.api('PUT', '/globals/properties/motd', { value: 'hello' });
  assert.equal(globals.body.parent_id, null);
  assert.equal((await client.api('GET', '/globals/properties/motd')).body.value, 'hello');
});

test('saga:26 resets at the same time succeed all', async () => {
  const client = await admin();
  const base = `/bots/${await makeBot()}/properties`;
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => client.api('PUT', `${base}/${name}`, { value: round })));
    const resets = await Promise.all([1, 2, 3].map(() => client.api('DELETE', base)));
    assert.deepEqual(
      resets.map(({ body }) => body),
      [{ ok: 1 }, { ok: 1 }, { ok: 1 }],
    );
    assert.deepEqual((await client.api('GET', base)).body, []);
  }
});

test('saga:26 a reset restores the members of _defaults, drops the rest, and sends each once', async () => {
  const client = await admin();
  const bot = await makeBot();
  const base = `/bots/${bot}/properties`;
  assert.equal((await client.api('PUT', `${base}/_defaults`, { value: [1] })).status, 422);
  await client.api('PUT', `${base}/_defaults`, { value: { lives: 3, name: 'new' } });
  for (const value of [1, 2]) await client.api('PUT', `${base}/lives`, { value });
  await client.api('PUT', `${base}/extra`, { value: 'x' });
  await client.send('/bots/join', bot);
  assert.deepEqual((await client.api('DELETE', base)).body, { ok: 1 });
  await client.next('/properties', 3);
  const events = client.events('/properties').map(({ name, value, source_creator }) => [name, value, source_creator.type]);
  assert.deepEqual(
    events
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value, by]) => (name === 'extra' ? [name, value] : [name, value, by])),
    [
      ['extra', null],
      ['lives', 3, '_defaults'],
      ['name', 'new', '_defaults'],
    ],
  );
  const left = await client.api('GET', base);
  assert.deepEqual(left.body.map(({ name }: { name: string }) => name).sort(), ['_defaults', 'lives', 'name']);
  assert.deepEqual(
    (await client.api('GET', `${base}/lives/values`)).body.map(({ value }: { value: unknown }) => value),
    [3],
  );
});

test('saga:27 a property called geoJSON holds GeoJSON, and bots are found near a place or within an area', async () => {
  const places: readonly (readonly [number, number])[] = [
    [13.4, 52.5],
    [2.35, 48.85],
    [-0.12, 51.5],
  ];
  const bots = await Promise.all(places.map(() => makeBot({ tags: ['geo'] })));
  for (const [at, coordinates] of places.entries()) {
    const ack = await boss.send('/bots/properties', { parent_id: bots[at], name: 'geoJSON', value: { type: 'Point', coordinates } });
    assert.equal(ack.status_code, 200);
  }
  for (const value of [
    7,
    { type: 'Point', coordinates: [200, 0] },
    {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [1, 1],
          [0, 1],
        ],
      ],
    },
  ]) {
    const ack = await boss.send('/bots/properties', { parent_id: bots[0], name: 'geoJSON', value });
    assert.deepEqual([ack.status_code, typeof ack.body.errors?.value], [422, 'string']);
  }
  const ids = async (query: string): Promise<unknown> =>
    (await boss.api('GET', `/bots?tags=geo&${query}`)).body.map(({ _id }: { _id: string }) => _id);
  assert.deepEqual(await ids('near=2.3,48.8'), [bots[1], bots[2], bots[0]]);
  assert.deepEqual(await ids('near=2.3,48.8&max_distance=500000'), [bots[1], bots[2]]);
  const area = JSON.stringify({
    type: 'Polygon',
    coordinates: [
      [
        [10, 50],
        [15, 50],
        [15, 54],
        [10, 54],
        [10, 50],
      ],
    ],
  });
  assert.deepEqual(await ids(`within=${encodeURIComponent(area)}`), [bots[0]]);
  assert.equal((await boss.api('GET', '/bots?near=x')).status, 400);
});

test('saga:28 a schema definition refuses what does not satisfy it, for operators and signals too, until it is disabled', async () => {
  const bot = await makeBot();
  const made = await boss.api('POST', '/schema_definitions', {
    path: '/bots/properties/age',
    json_schema: { type: 'integer', minimum: 0 },
  });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  assert.equal((await boss.api('POST', '/schema_definitions', { path: '/bots/properties/age', json_schema: {} })).status, 422);
  assert.equal((await boss.api('POST', '/schema_definitions', { path: '/elsewhere', json_schema: {} })).status, 422);
  assert.equal(
    (await boss.api('POST', '/schema_definitions', { path: '/bots/properties/b', json_schema: { type: 'nonsense' } })).status,
    422,
  );
  const post = poster(bot);
  await boss.send('/bots/join', bot);
  const heard = boss.events('/properties').length;
  const refused = await post(undefined, { name: 'age', value: 'old' });
  assert.deepEqual([refused.status_code, typeof refused.body.errors.value], [422, 'string']);
  assert.equal((await post('incr', { name: 'age', value: 5 })).body.value, 5);
  assert.equal((await post('incr', { name: 'age', value: -9 })).status_code, 422);
  assert.equal(boss.events('/properties').length, heard + 1);
  await boss.api('POST', '/schema_definitions', { path: '/bots/signals/beep', json_schema: { type: 'string' } });
  assert.equal((await boss.send('/bots/signals', { parent_id: bot, name: 'beep', value: 7 })).status_code, 422);
  assert.equal((await boss.send('/bots/signals', { parent_id: bot, name: 'beep', value: 'b' })).status_code, 200);
  await boss.api('PUT', `/schema_definitions/${made.body._id}`, { enabled: false });
  assert.equal((await post(undefined, { name: 'age', value: 'old' })).status_code, 200);
  assert.deepEqual((await boss.api('DELETE', `/schema_definitions/${made.body._id}`)).body, { ok: 1 });
  assert.equal((await boss.api('GET', `/schema_definitions/${made.body._id}`)).status, 404);
});

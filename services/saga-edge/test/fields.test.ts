import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBot, makeScript, person } from './rooms-scene.ts';
import { boss } from './saga-scene.ts';

test('saga:30 a resource has at most 200 tags: the next is refused and not stored', async () => {
  const tags = Array.from({ length: 199 }, (_, at) => `tag${at}`);
  const bot = await makeBot({ tags });
  const put = async (tag: unknown) => (await boss.api('PUT', `/bots/${bot}/tags`, { tag })).status;
  assert.equal(await put('last'), 200);
  assert.equal(await put('more'), 413);
  assert.equal(await put('last'), 200, 'it has this one already');
  for (const tag of ['', 'x'.repeat(129), 7, null, []]) assert.equal(await put(tag), 422);
  assert.deepEqual((await boss.api('GET', `/bots/${bot}/tags`)).body, [...tags, 'last']);
  assert.equal((await boss.api('PUT', `/bots/${bot}`, { tags: [...tags, 'a', 'b'] })).status, 422);
});

test('saga:6 a field of the wrong kind is refused and changes nothing, whatever resource it is of', async () => {
  const bot = await makeBot({ tags: ['kept'] });
  const { me } = await person('with-fields');
  const [script, job] = [await makeScript('scripts', { tags: ['kept'] }), await makeScript('jobs', { tags: ['kept'] })];
  const path = '/users/properties/with-fields';
  const schema = (await boss.api('POST', '/schema_definitions', { path, json_schema: {}, tags: ['kept'] })).body._id;
  await boss.api('PUT', `/users/${me}`, { tags: ['kept'] });
  const resources: readonly (readonly [string, readonly string[]])[] = [
    [`/bots/${bot}`, ['test_data']],
    [`/users/${me}`, ['verified']],
    [`/scripts/${script}`, ['enabled', 'logging']],
    [`/jobs/${job}`, ['enabled', 'logging']],
    [`/schema_definitions/${schema}`, ['enabled', 'indexed']],
  ];
  for (const [at, booleans] of resources) {
    const before = (await boss.api('GET', at)).body;
    const wrong = [
      ...['a', 7, {}, [1], [''], ['x'.repeat(129)], Array.from({ length: 201 }, String)].map((tags) => ({ tags })),
      ...booleans.flatMap((name) => ['true', 1, {}, []].map((value) => ({ [name]: value }))),
    ];
    for (const body of wrong) {
      const refused = await boss.api('PUT', at, body);
      assert.deepEqual(
        [refused.status, Object.keys(refused.body.errors ?? {})],
        [422, Object.keys(body)],
        `${at} ${JSON.stringify(body).slice(0, 60)}`,
      );
    }
    assert.deepEqual((await boss.api('GET', at)).body, before, at);
    assert.deepEqual(before.tags, ['kept'], at);
  }
  for (const [at, body] of [
    ['/bots', { name: 'x' }],
    ['/users', { username: 'with-fields-2', password: 'a-good-password' }],
    ['/users/register', { username: 'with-fields-2', password: 'a-good-password' }],
  ] as const) {
    assert.equal((await boss.api('POST', at, { ...body, tags: 'a' })).status, 422, at);
  }
});

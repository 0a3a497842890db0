/** What every request has in common: its envelope, its shape, how many there may be, and failures of ours. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { storeRefusal } from '../src/protocol/problems.ts';
import { GRACE } from '../src/protocol/rate.ts';
import { code, newKind, says } from './answers.ts';
import { type Answer, Client } from './client.ts';
import { type System, startSystem } from './system.ts';

const parts = new AsyncDisposableStack();
let system: System;
let url: string;
before(async () => {
  system = parts.use(await startSystem({ ownPostgres: true }));
  url = system.edge.url;
});
after(() => parts.disposeAsync());

const reasons = ({ response }: Answer) => response.errors.map(({ reason }) => reason);

test('gooduncle:F11 gooduncle:F12 gooduncle:F16 T15 every answer has the four keys, repeats the request and names the services', async () => {
  using client = await Client.open(url);
  const request = { type: 'read', topic: 'products', criteria: { kind: 'none' }, ref: 'a1', x: { y: 1 } };
  const before = Date.now();
  client.send(request);
  const answer = await client.until(() => client.answers[0]);
  for (const key of ['session', 'request', 'response', 'passport']) assert.ok(key in answer);
  assert.deepEqual(answer.request.payload, request);
  assert.ok(Number.isInteger(answer.request.time) && Number.isInteger(answer.response.time));
  const times = [before, answer.request.time, answer.response.time, Date.now()];
  assert.deepEqual(
    times,
    times.toSorted((one, other) => one - other),
  );
  assert.deepEqual(answer.session.roles, []);
  assert.match(answer.session.id, /^[\w-]{22}$/);
  assert.deepEqual(
    answer.passport.map(({ service }) => service),
    ['gooduncle-edge', 'graph-store'],
  );
  for (const stamp of answer.passport) assert.ok(stamp.instance !== '' && stamp.in <= stamp.out);
});

test('gooduncle:F14 T16 JSON that is no object is a bad request, and is repeated', async () => {
  using client = await Client.open(url);
  for (const value of [[], 'abc', 12, null, true]) {
    const count = client.answers.length;
    client.send(JSON.stringify(value));
    const answer = await client.until(() => client.answers[count]);
    assert.equal(says(answer), 'bad request type@null');
    assert.deepEqual(answer.request.payload, value);
  }
});

test('gooduncle:F14 gooduncle:F15 T17 T18 a type must be there, a string and one of the eight', async () => {
  using client = await Client.open(url);
  const ask = async (request: object) => says(await client.one({ ...request }));
  assert.equal(await ask({}), 'bad request missing@type');
  assert.equal(await ask({ type: 7 }), 'bad request type@type');
  assert.equal(await ask({ type: 'ping' }), 'bad request unknown@type');
  assert.equal(await ask({ type: 'READ' }), 'bad request unknown@type');
});

test("gooduncle:F15 T19 T20 T21 T22 all problems of a request's form are reported together", async () => {
  using client = await Client.open(url);
  const ask = async (request: object) => says(await client.one({ ...request }));
  assert.equal(await ask({ type: 'update' }), 'bad request missing@topic missing@criteria missing@params');
  assert.equal(await ask({ type: 'read', topic: 'nope', criteria: {} }), 'bad request unknown@topic');
  assert.equal(await ask({ type: 'read', topic: 'products' }), 'bad request missing@criteria');
  assert.equal(await ask({ type: 'read', topic: 'products', criteria: [] }), 'bad request type@criteria');
  assert.equal(await ask({ type: 'read', topic: 'products', criteria: null }), 'bad request type@criteria');
  assert.equal(await ask({ type: 'create', topic: 'products', params: 'x' }), 'bad request type@params');
  assert.equal(await ask({ type: 'create', topic: 'products', params: [] }), 'bad request type@params');
});

test('gooduncle:F15 gooduncle:F31 T23 unknown operators and wrong operands are named by their place', async () => {
  using client = await Client.open(url);
  const read = async (criteria: object) => says(await client.one({ type: 'read', topic: 'products', criteria }));
  assert.equal(await read({ price: { $foo: 1 } }), 'bad request operator@criteria.price.$foo');
  assert.equal(await read({ price: { $in: 5 } }), 'bad request operator@criteria.price.$in');
  assert.equal(await read({ price: { $gt: 1, name: 2 } }), 'bad request operator@criteria.price.name');
  assert.equal(await read({ $where: 'x' }), 'bad request operator@criteria.$where');
  assert.equal(await read({ name: { $regex: '.*' } }), 'bad request operator@criteria.name.$regex');
  assert.equal(await read({ price: { $in: Array.from({ length: 101 }, (_, at) => at) } }), 'bad request limit@criteria.price.$in');
  assert.match(await read({ $or: Array.from({ length: 51 }, (_, at) => ({ price: at })) }), /^bad request limit@criteria\.\$or/);
  let deep: object = { price: 1 };
  for (let level = 0; level < 9; level += 1) deep = { $not: deep };
  assert.match(await read(deep), /^bad request too deep@criteria/);
});

test('gooduncle:F10 a request may be nested 32 deep', async () => {
  using client = await Client.open(url);
  for (const depth of [33, 100_000]) {
    const count = client.answers.length;
    client.send(`{"type":"read","x":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    assert.equal(says(await client.until(() => client.answers[count])), 'bad request too deep@null');
  }
});

test('gooduncle:F54 T24 T25 names of prototypes and operators are no values', async () => {
  using admin = await Client.open(url, 'admin');
  admin.send('{"type":"create","topic":"products","params":{"__proto__":{"a":1}},"ref":"proto"}');
  assert.equal(says(await admin.until(() => admin.to('proto')[0])), 'bad request value@params.__proto__');
  assert.equal(Reflect.get({}, 'a'), undefined);
  for (const params of [{ constructor: 1 }, { prototype: 1 }, { $set: 1 }, { x: { $inc: 1 } }, { id: { $ne: null } }]) {
    const answer = await admin.one({ type: 'create', topic: 'products', params });
    assert.equal(code(answer), 'bad request', JSON.stringify(params));
    assert.deepEqual(reasons(answer), ['value']);
  }
  assert.equal(says(await admin.one({ type: 'read', topic: { $ne: null }, criteria: {} })), 'bad request type@topic');
  const subscribe = { type: 'subscribe', subscription: { $ne: null }, topic: 'products', criteria: {} };
  assert.equal(says(await admin.one(subscribe)), 'bad request type@subscription');
});

test('gooduncle:F14 gooduncle:F17 T26 T27 a client above its rate gets an answer to each request, and is closed if it continues', async () => {
  const slow = await system.startEdge({ GOODUNCLE_REQUESTS_PER_SECOND: '50', GOODUNCLE_REQUEST_BURST: '100' });
  using admin = await Client.open(slow.url, 'admin');
  const kind = newKind();
  for (let at = 0; at < 300; at += 1) admin.send({ type: 'create', topic: 'products', params: { kind, at } });
  // One is the upgrade's.
  await admin.until(() => admin.answers.length === 301, 'one answer to each of 300 requests');
  assert.deepEqual([...new Set(admin.answers.map(says))].sort(), ['ok', 'slow down rate@null']);
  const count = async (): Promise<number> => {
    const answer = await admin.one({ type: 'read', topic: 'products', criteria: { kind }, count: true });
    return code(answer) === 'ok' ? answer.response.payload.count : -1;
  };
  const made = admin.answers.filter((answer) => code(answer) === 'ok' && answer.response.payload.kind === kind).length;
  let counted = -1;
  while (counted === -1) counted = await count();
  assert.equal(counted, made);
  assert.ok(made < 300 && made >= 90, String(made));

  const flood = setInterval(() => {
    for (let at = 0; at < 20; at += 1) admin.ws.send('{"type":"read","topic":"products","criteria":{"kind":"none"}}');
  }, 100);
  const before = admin.answers.length;
  const { code: closed } = await admin.end();
  clearInterval(flood);
  assert.equal(closed, 4429);
  // How long it may go on is tested on virtual time (`rate.test.ts`).
  const warnings = admin.answers.slice(before).filter((answer) => code(answer) === 'slow down').length;
  assert.ok(warnings > 20 && warnings <= GRACE.requests, `${warnings} warnings`);
});

test('gooduncle:F14 T28 a store that does not answer is an error without its insides', async () => {
  const hasty = await system.startEdge({ GOODUNCLE_REQUEST_TIMEOUT_MS: '300' });
  using client = await Client.open(hasty.url);
  system.postgres?.pause();
  try {
    const answer = await client.one({ type: 'read', topic: 'products', criteria: {} });
    assert.equal(says(answer), 'error internal@null');
    assert.doesNotMatch(JSON.stringify(answer.response), /\.ts|at |select|stack/i);
  } finally {
    system.postgres?.resume();
  }
});

test('gooduncle:F14 an internal failure is reported by a name that the log has', async () => {
  const hasty = await system.startEdge({ GOODUNCLE_REQUEST_TIMEOUT_MS: '300' });
  using client = await Client.open(hasty.url);
  await system.killStore();
  const answer = await client.one({ type: 'read', topic: 'products', criteria: {} });
  assert.equal(answer.response.code, 'error');
  const incident = /incident ([\w-]+)/.exec(answer.response.errors[0]?.message ?? '')?.[1];
  assert.ok(incident !== undefined, JSON.stringify(answer.response.errors));
  const lines = (): readonly string[] => hasty.log().split('\n');
  await until('the log has it', () => lines().some((line) => line.includes(`"id":"${incident}"`) && line.includes('"level":"error"')), {
    seen: () => hasty.log(),
  });
  await system.startStore();
});

test('gooduncle:F14 a full login queue is answered with slow down, not as an internal error', () => {
  const log = { incident: (): string => assert.fail('no incident') };
  for (const code of ['limited', 'busy', 'expired'] as const) assert.equal(storeRefusal({ code }, log).code, 'slow down');
});

test('a read of `topics` lists what the session may use, and the error for an unknown topic names it', async () => {
  using anyone = await Client.open(url);
  const unknown = await anyone.one({ type: 'read', topic: 'wares', criteria: {} });
  assert.equal(says(unknown), 'bad request unknown@topic');
  const { expected } = unknown.response.errors[0] ?? {};
  assert.ok(Array.isArray(expected) && expected.includes('products') && !expected.includes('orders'), JSON.stringify(expected));

  const [own, ...others] = await anyone.ask({ type: 'read', topic: 'topics', criteria: { id: 'products' } });
  assert.deepEqual([own?.response.payload.id, others.length], ['products', 0]);
  assert.deepEqual(own?.response.payload.may, { read: { fields: ['*'] } });
  assert.equal(says(await anyone.one({ type: 'read', topic: 'topics', criteria: { id: 'orders' } })), 'not found not found@criteria');

  using customer = await Client.open(url, 'u1');
  const [orders] = await customer.ask({ type: 'read', topic: 'topics', criteria: { id: 'orders' } });
  assert.deepEqual(orders?.response.payload.may, {
    create: { fields: ['address', 'items'] },
    read: { fields: ['*', '-internalNote'] },
    update: { fields: ['address'] },
  });
  assert.equal(orders?.response.payload.live, true);
  const names = await customer.ask({ type: 'read', topic: 'topics', criteria: {}, fields: ['live'], sort: ['-id'], limit: 2 });
  assert.deepEqual(
    names.map(({ response }) => [response.payload.id, response.count, response.more]),
    [
      ['users', 2, undefined],
      ['products', 2, true],
    ],
  );
  for (const type of ['create', 'update', 'delete', 'subscribe']) {
    const answer = await customer.one({ type, topic: 'topics', criteria: {}, params: {}, subscription: 't' });
    assert.equal(says(answer), 'forbidden role@topic');
  }
});

test("options of other APIs are refused by name, and keys of the client's own are repeated", async () => {
  using client = await Client.open(url);
  const read = { type: 'read', topic: 'products', criteria: {}, count: true };
  for (const key of ['skip', 'offset', 'where', 'orderBy']) {
    const answer = await client.one({ ...read, [key]: 10 });
    assert.equal(says(answer), `bad request unknown@${key}`);
    assert.ok(JSON.stringify(answer.response.errors).includes('"limit"'), 'says what there is');
  }
  for (const type of ['update', 'delete'])
    assert.equal(says(await client.one({ type, topic: 'products', criteria: {}, params: {}, skip: 1 })), 'bad request unknown@skip');
  assert.equal(code(await client.one({ ...read, note: { skip: 1 } })), 'ok');
});

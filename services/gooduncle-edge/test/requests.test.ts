import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { type Answer, Client } from './client.ts';
import { type Provider, startProvider } from './open-id.ts';
import { hashed, type System, startSystem, TENANT, USERS } from './system.ts';

let provider: Provider;
let system: System;
let url: string;
before(async () => {
  provider = await startProvider();
  system = await startSystem({ edge: { ...provider.env, GOODUNCLE_REQUEST_TIMEOUT_MS: '1500' }, ownPostgres: true });
  url = system.edge.url;
});
after(async () => {
  await system[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

const code = ({ response }: Answer): string => response.code;
const reasons = ({ response }: Answer) => response.errors.map(({ reason }) => reason);
/** Code, reasons and places in one line. */
const says = (answer: Answer): string =>
  [code(answer), ...answer.response.errors.map(({ reason, field }) => `${reason}@${field}`)].join(' ');

let kinds = 0;
/** A value that no other test's rows have. */
const newKind = (): string => {
  kinds += 1;
  return `kind${kinds}`;
};

async function products(admin: Client, rows: readonly Readonly<Record<string, unknown>>[]): Promise<string> {
  const kind = newKind();
  for (const row of rows) assert.equal(code(await admin.one({ type: 'create', topic: 'products', params: { kind, ...row } })), 'ok');
  return kind;
}

const names = (answers: readonly Answer[]) => answers.map(({ response }) => response.payload.name);

test('gooduncle:F11 gooduncle:F12 gooduncle:F16 T15 every answer has the four keys, repeats the request and names the services', async () => {
  using client = await Client.open(url);
  const request = { type: 'read', topic: 'products', criteria: { kind: 'none' }, ref: 'a1', x: { y: 1 } };
  client.send(request);
  const answer = await client.until(() => client.answers[0]);
  for (const key of ['session', 'request', 'response', 'passport']) assert.ok(key in answer);
  assert.deepEqual(answer.request.payload, request);
  assert.ok(Number.isInteger(answer.request.time) && Number.isInteger(answer.response.time));
  assert.ok(Math.abs(answer.request.time - Date.now()) < 5000 && answer.response.time >= answer.request.time);
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

test('gooduncle:F15 T19 T20 T21 T22 everything that is wrong with the shape is told at once', async () => {
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

test('gooduncle:F14 gooduncle:F17 T26 T27 who asks too often is told to slow down, and closed after three seconds of it', async () => {
  const slow = await system.startEdge({ GOODUNCLE_REQUESTS_PER_SECOND: '50', GOODUNCLE_REQUEST_BURST: '100' });
  using admin = await Client.open(slow.url, 'admin');
  const kind = newKind();
  for (let at = 0; at < 300; at += 1) admin.send({ type: 'create', topic: 'products', params: { kind, at } });
  await admin.until(() => admin.answers.some((answer) => says(answer) === 'slow down rate@null'));
  const count = async (): Promise<number> => {
    const answer = await admin.one({ type: 'read', topic: 'products', criteria: { kind }, count: true });
    return code(answer) === 'ok' ? answer.response.payload.count : -1;
  };
  // A second later requests are answered again.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const made = admin.answers.filter((answer) => code(answer) === 'ok' && answer.response.payload.kind === kind).length;
  assert.equal(await count(), made);
  assert.ok(made < 300 && made >= 90, String(made));

  const flood = setInterval(() => {
    for (let at = 0; at < 300; at += 1) admin.ws.send('{"type":"read","topic":"products","criteria":{"kind":"none"}}');
  }, 100);
  const before = admin.answers.length;
  await admin.until(() => admin.answers.slice(before).some((answer) => code(answer) === 'slow down'));
  const first = performance.now();
  const { code: closed, at } = await admin.end();
  clearInterval(flood);
  assert.equal(closed, 4429);
  assert.ok(at - first > 2900 && at - first < 5000, `${at - first} ms`);
});

test('gooduncle:F14 T28 a store that does not answer is an error without its insides', async () => {
  using client = await Client.open(url);
  system.postgres?.pause();
  try {
    const answer = await client.one({ type: 'read', topic: 'products', criteria: {} });
    assert.equal(says(answer), 'error internal@null');
    assert.doesNotMatch(JSON.stringify(answer.response), /\.ts|at |select|stack/i);
  } finally {
    system.postgres?.resume();
  }
});

test('gooduncle:F13 gooduncle:F19 T29 T31 an upgrade adds the role of the account, and its secret is not repeated', async () => {
  using client = await Client.open(url);
  const answer = await client.upgrade('u1');
  assert.equal(code(answer), 'ok');
  assert.deepEqual(answer.session.roles, ['customer']);
  assert.deepEqual(answer.response.payload, { added: ['customer'], expires: null });
  const { password, ref, ...rest } = answer.request.payload as Record<string, unknown>;
  assert.equal(password, '[redacted]');
  assert.deepEqual(rest, { type: 'upgrade', user: USERS.u1.user });
  assert.ok(ref);
  assert.equal(says(await client.one({ type: 'upgrade', user: 'x' })), 'bad request missing@password');
});

test('gooduncle:F19 T30 a wrong password and an unknown user are told alike', async () => {
  using client = await Client.open(url);
  const wrong = await client.one({ type: 'upgrade', user: USERS.u2.user, password: hashed('guess') });
  const unknown = await client.one({ type: 'upgrade', user: '5559999999', password: hashed('guess') });
  // Neither the password in plain nor what staff would send to a provider that is not configured opens anything.
  const plain = await client.one({ type: 'upgrade', user: USERS.u2.user, password: 'two' });
  for (const answer of [wrong, unknown, plain]) {
    assert.equal(says(answer), 'forbidden credentials@null');
    assert.deepEqual(answer.response.errors, wrong.response.errors);
    assert.deepEqual(answer.session.roles, []);
  }
});

test('gooduncle:F21 T32 T33 roles add up, each once', async () => {
  using client = await Client.open(url, 'u1');
  assert.deepEqual((await client.upgrade('admin')).session.roles, ['customer', 'admin']);
  const again = await client.upgrade('u1');
  assert.deepEqual(again.response.payload.added, []);
  assert.deepEqual(again.session.roles, ['customer', 'admin']);
  using other = await Client.open(url);
  assert.equal(says(await other.one({ type: 'upgrade', ...USERS.u1, role: 'admin' })), 'forbidden role@role');
  assert.deepEqual((await other.one({ type: 'upgrade', ...USERS.u1, role: 'customer' })).response.payload.added, ['customer']);
});

test('gooduncle:F20 T34 a token counts when it is valid, and only then', async () => {
  using client = await Client.open(url);
  const valid = await provider.token({ sub: 'ann', roles: ['clerk'], forMs: 60_000 });
  const expired = await provider.token({ sub: 'ann', roles: ['clerk'], forMs: -5000 });
  const forged = await provider.token({ sub: 'ann', roles: ['clerk'], forMs: 60_000, forged: true });
  const [, body] = valid.split('.');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
  for (const token of [expired, none, forged, 'nonsense']) {
    assert.equal(says(await client.one({ type: 'upgrade', token })), 'forbidden credentials@null');
  }
  const answer = await client.one({ type: 'upgrade', token: valid });
  assert.deepEqual([code(answer), answer.session.roles], ['ok', ['clerk']]);
  assert.ok(Number(answer.response.payload.expires) > Date.now());
  assert.equal((answer.request.payload as { token: string }).token, '[redacted]');
  // Staff send the token in the place of the password.
  using staff = await Client.open(url);
  assert.deepEqual((await staff.one({ type: 'upgrade', user: 'ann', password: valid })).session.roles, ['clerk']);
  assert.equal(says(await staff.one({ type: 'upgrade', user: 'bob', password: valid })), 'forbidden credentials@null');
});

test('gooduncle:F20 gooduncle:F53 T35 when a token ends, so do its role and the subscriptions made with it', async () => {
  using client = await Client.open(url);
  const token = await provider.token({ sub: 'ann', roles: ['clerk'], forMs: 2500 });
  await client.one({ type: 'upgrade', token });
  const orders = await client.subscribe({ subscription: 's1', topic: 'orders', criteria: { kind: 'none' } });
  const goods = await client.subscribe({ subscription: 's2', topic: 'products', criteria: { kind: 'none' } });
  const [end] = await orders.next(1);
  assert.ok(end);
  assert.equal(says(end), 'forbidden revoked@null');
  assert.equal(end.response.last, true);
  assert.deepEqual((await client.one({ type: 'unsubscribe', subscription: 's2' })).session.roles, []);
  assert.equal(goods.later.length, 0);
});

test('gooduncle:F53 an account that is changed loses its roles everywhere at once', async () => {
  using client = await Client.open(url, 'u2');
  const orders = await client.subscribe({ subscription: 's1', topic: 'orders', criteria: {} });
  await client.one({ type: 'downgrade' });
  const request = { id: system.sub.u2, roles: { gooduncle: ['customer'] }, by: 'test' };
  assert.ok((await system.bus.request(accountsUpdate, accountsUpdate.subject({ tenant: TENANT }), request, { timeoutMs: 5000 })).ok);
  // Also a subscription whose role was given back: it was captured, and it is withdrawn.
  await client.until(() => orders.answers.at(-1)?.response.last);
  assert.equal(says(orders.answers.at(-1) as Answer), 'forbidden revoked@null');
  assert.equal(code(await client.upgrade('u2')), 'ok');
});

test('gooduncle:F22 T36 a downgrade takes all roles, or those it names', async () => {
  using client = await Client.open(url);
  assert.deepEqual([code(await client.one({ type: 'downgrade' })), client.answers.at(-1)?.session.roles], ['ok', []]);
  await client.upgrade('u1');
  await client.upgrade('admin');
  assert.equal(says(await client.one({ type: 'downgrade', role: 'clerk' })), 'not found not found@role');
  assert.deepEqual((await client.one({ type: 'downgrade', role: ['customer'] })).session.roles, ['admin']);
  const all = await client.one({ type: 'downgrade' });
  assert.deepEqual([all.response.payload, all.session.roles], [{ removed: ['admin'] }, []]);
});

test('gooduncle:F24 T39 what is sent behind an upgrade waits for it', async () => {
  using client = await Client.open(url);
  client.send({ type: 'upgrade', ...USERS.admin });
  const read = await client.one({ type: 'read', topic: 'orders', criteria: { kind: 'none' } });
  assert.equal(code(read), 'not found');
  using many = await Client.open(url);
  many.send({ type: 'upgrade', ...USERS.admin });
  for (let at = 0; at < 70; at += 1) many.send({ type: 'unsubscribe', subscription: 'none' });
  await many.until(() => many.answers.length === 71);
  assert.equal(many.answers.filter((answer) => code(answer) === 'slow down').length, 6);
});

test('gooduncle:F18 T40 the sixth of ten wrong upgrades in a row is told to slow down', async () => {
  using client = await Client.open(url);
  const codes: string[] = [];
  for (let at = 0; at < 10; at += 1) codes.push(code(await client.one({ type: 'upgrade', user: 'nobody', password: hashed(`${at}`) })));
  assert.deepEqual(codes, [...Array(5).fill('forbidden'), ...Array(5).fill('slow down')]);
});

test('gooduncle:F25 gooduncle:F26 T41 T42 T44 a create answers the resource; its id is the server`s or the client`s', async () => {
  using admin = await Client.open(url, 'admin');
  const { response } = await admin.one({ type: 'create', topic: 'products', params: { name: 'Pie', price: 5 } });
  assert.equal(response.code, 'ok');
  const { id, ...rest } = response.payload;
  assert.deepEqual(rest, { name: 'Pie', price: 5 } as object);
  assert.equal(typeof id, 'string');
  assert.ok(response.version !== undefined && response.last);
  const again = await admin.one({ type: 'create', topic: 'products', params: { id, name: 'Pie' } });
  assert.equal(says(again), 'bad request duplicate@params.id');
  const own = `own-${newKind()}`;
  assert.equal((await admin.one({ type: 'create', topic: 'products', params: { id: own, 'size.cm': 3 } })).response.payload.id, own);
  const [read] = await admin.ask({ type: 'read', topic: 'products', criteria: { id: own } });
  assert.deepEqual(read?.response.payload, { id: own, size: { cm: 3 } } as object);
  using anyone = await Client.open(url);
  const kind = newKind();
  assert.equal(says(await anyone.one({ type: 'create', topic: 'products', params: { kind } })), 'forbidden role@null');
  assert.equal(says(await anyone.one({ type: 'read', topic: 'products', criteria: { kind } })), 'not found not found@criteria');
});

test('gooduncle:F26 T43 a create that is repeated with the same `once` happens once', async () => {
  using admin = await Client.open(url, 'admin');
  const kind = newKind();
  const create = { type: 'create', topic: 'products', params: { kind, name: 'Pie' }, once: kind };
  const first = await admin.one(create);
  using later = await Client.open(url, 'admin');
  const repeated = await Promise.all([admin.one(create), later.one({ ...create, params: { kind, name: 'Other' } })]);
  for (const { response } of repeated) {
    assert.deepEqual([response.code, response.payload, response.version], ['ok', first.response.payload, first.response.version]);
  }
  assert.equal((await admin.one({ type: 'read', topic: 'products', criteria: { kind }, count: true })).response.payload.count, 1);
});

test('gooduncle:F27 gooduncle:F28 gooduncle:F29 T45 T46 a read answers once per resource, and once when there is none', async () => {
  using admin = await Client.open(url, 'admin');
  const kind = await products(admin, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  const answers = await admin.ask({ type: 'read', topic: 'products', criteria: { kind } });
  assert.deepEqual(
    answers.map(({ response }) => [response.code, response.seq, response.count, response.last]),
    [
      ['ok', 0, 3, undefined],
      ['ok', 1, 3, undefined],
      ['ok', 2, 3, true],
    ],
  );
  assert.deepEqual(names(answers), ['a', 'b', 'c']);
  const none = await admin.one({ type: 'read', topic: 'products', criteria: { kind: 'none' } });
  assert.deepEqual([code(none), none.response.payload, none.response.last], ['not found', {}, true]);
});

test('gooduncle:F30 gooduncle:F31 T47 T48 criteria find what they say', async () => {
  using admin = await Client.open(url, 'admin');
  const kind = await products(admin, [
    { name: 'apple', price: 1, tags: ['red', 'green'], size: { cm: 7 } },
    { name: 'banana', price: 2, tags: ['yellow'], size: { cm: 20 }, note: null },
    { name: 'cherry', price: 3, tags: ['red'], note: 'sour' },
    { name: 'date', price: '3' },
  ]);
  const find = async (criteria: object) =>
    names(await admin.ask({ type: 'read', topic: 'products', criteria: { kind, ...criteria } }))
      .join(' ')
      .trim();
  assert.equal(await find({ name: 'apple', price: 1 }), 'apple');
  assert.equal(await find({ name: 'apple', price: 2 }), '');
  assert.equal(await find({ price: { $gt: 1 } }), 'banana cherry');
  assert.equal(await find({ price: { $lte: 2 } }), 'apple banana');
  assert.equal(await find({ price: { $gte: 2, $lt: 3 } }), 'banana');
  assert.equal(await find({ price: { $in: [1, '3'] } }), 'apple date');
  assert.equal(await find({ price: { $nin: [1, '3'] } }), 'banana cherry');
  assert.equal(await find({ price: { $ne: 3 } }), 'apple banana date');
  assert.equal(await find({ note: { $exists: true } }), 'cherry');
  assert.equal(await find({ note: null }), 'apple banana date');
  assert.equal(await find({ $or: [{ name: 'apple' }, { price: 3 }] }), 'apple cherry');
  assert.equal(await find({ $and: [{ price: { $gt: 1 } }, { $not: { name: 'cherry' } }] }), 'banana');
  assert.equal(await find({ tags: { $contains: 'red' } }), 'apple cherry');
  assert.equal(await find({ name: { $startsWith: 'c' } }), 'cherry');
  assert.equal(await find({ 'size.cm': 20 }), 'banana');
  assert.equal(await find({ size: { cm: 7 } }), 'apple');
  assert.equal(await find({ tags: ['red', 'green'] }), 'apple');
});

test('gooduncle:F32 T49 T50 fields, order, pages and count', async () => {
  using admin = await Client.open(url, 'admin');
  const rows = [3, 1, 2, 3, 1].map((price, at) => ({ price, name: `n${at}` }));
  const kind = await products(admin, rows);
  const read = { type: 'read', topic: 'products', criteria: { kind }, sort: ['-price', 'name'], limit: 2 };
  const pages: unknown[][] = [];
  let after: string | undefined;
  do {
    const answers = await admin.ask({ ...read, ...(after === undefined ? {} : { after }) });
    pages.push(names(answers) as unknown[]);
    const last = answers.at(-1)?.response;
    assert.equal(last?.more, last?.cursor === undefined ? undefined : true);
    after = last?.cursor;
  } while (after !== undefined);
  assert.deepEqual(pages, [['n0', 'n3'], ['n2', 'n1'], ['n4']]);
  assert.equal(says(await admin.one({ ...read, after: 'xyz' })), 'bad request value@after');
  const [shown] = await admin.ask({ ...read, fields: ['name'] });
  assert.deepEqual(Object.keys(shown?.response.payload ?? {}).sort(), ['id', 'name']);
  assert.equal((await admin.one({ ...read, count: true })).response.payload.count, 5);
  assert.equal((await admin.one({ type: 'read', topic: 'products', criteria: { kind: 'none' }, count: true })).response.payload.count, 0);
});

test('gooduncle:F33 gooduncle:F34 T51 T52 T53 T55 updates and deletes take all that match', async () => {
  using admin = await Client.open(url, 'admin');
  const kind = await products(admin, [{ name: 'a', in: { x: 1 } }, { name: 'b' }, { name: 'c' }]);
  const update = (params: object, more: object = {}) =>
    admin.one({ type: 'update', topic: 'products', criteria: { kind }, params, ...more });
  const done = await update({ price: 9, 'in.y': 2 }, { unset: ['name'] });
  assert.deepEqual([code(done), done.response.payload.count, done.response.payload.ids.length], ['ok', 3, 3]);
  const [first] = await admin.ask({ type: 'read', topic: 'products', criteria: { kind } });
  const { id, ...rest } = first?.response.payload ?? { id: '' };
  assert.deepEqual(rest, { kind, price: 9, in: { x: 1, y: 2 } } as object);
  const none = { topic: 'products', criteria: { kind: 'none' } };
  assert.equal(code(await admin.one({ type: 'update', ...none, params: { a: 1 } })), 'not found');
  assert.equal(code(await admin.one({ type: 'delete', ...none })), 'not found');
  assert.equal(says(await update({ id: 'x' })), 'bad request immutable@params.id');
  const two = { type: 'delete', topic: 'products', criteria: { kind, id: { $ne: id } } };
  assert.equal((await admin.one(two)).response.payload.count, 2);
  assert.equal(code(await admin.one(two)), 'not found');
});

test('gooduncle:F33 gooduncle:F50 T54 an update that may not be is not done for any row', async () => {
  using admin = await Client.open(url, 'admin');
  using clerk = await Client.open(url, 'clerk');
  const kind = newKind();
  for (let at = 0; at < 5; at += 1) {
    await admin.one({ type: 'create', topic: 'orders', params: { kind, status: 'open', paid: at !== 3 } });
  }
  const watch = await admin.subscribe({ subscription: kind, topic: 'orders', criteria: { kind } });
  const close = { type: 'update', topic: 'orders', criteria: { kind }, params: { status: 'closed' } };
  assert.equal(says(await clerk.one(close)), 'forbidden row@null');
  assert.equal((await admin.ask({ type: 'read', topic: 'orders', criteria: { kind, status: 'open' } })).length, 5);
  assert.equal(watch.later.length, 0);
  assert.equal((await clerk.one({ ...close, criteria: { kind, paid: true } })).response.payload.count, 4);
});

test('gooduncle:F35 T56 T57 guard rails of a write: expected number, most rows, version', async () => {
  using admin = await Client.open(url, 'admin');
  const kind = await products(admin, [{ n: 0 }, { n: 1 }]);
  const update = { type: 'update', topic: 'products', criteria: { kind }, params: { changed: true } };
  assert.equal(says(await admin.one({ ...update, expect: 1 })), 'bad request value@expect');
  assert.equal(code(await admin.one({ type: 'read', topic: 'products', criteria: { kind, changed: true } })), 'not found');
  assert.equal((await admin.one({ ...update, expect: 2 })).response.payload.count, 2);
  // `users` may be changed 100 at a time.
  for (let at = 0; at < 101; at += 1) admin.send({ type: 'create', topic: 'users', params: { kind, at } });
  const users = { topic: 'users', criteria: { kind } };
  await admin.one({ type: 'create', topic: 'products', params: { kind: newKind() } });
  assert.equal(says(await admin.one({ type: 'update', ...users, params: { changed: true } })), 'forbidden limit@criteria');
  assert.equal(says(await admin.one({ type: 'delete', ...users })), 'forbidden limit@criteria');
  assert.equal((await admin.one({ type: 'read', ...users, count: true })).response.payload.count, 101);
  // What an answer showed can be changed as long as nobody else has.
  const { response } = await admin.one({ type: 'create', topic: 'products', params: { kind: newKind() } });
  const criteria = { id: response.payload.id, _version: response.version };
  assert.equal(code(await admin.one({ ...update, criteria, params: { a: 1 } })), 'ok');
  assert.equal(code(await admin.one({ ...update, criteria, params: { a: 2 } })), 'not found');
});

test('gooduncle:F49 gooduncle:F50 gooduncle:F51 T58 T59 T60 T61 a customer has his own orders, and what may be seen of them', async () => {
  using admin = await Client.open(url, 'admin');
  using u1 = await Client.open(url, 'u1');
  const kind = newKind();
  for (const userId of [system.sub.u1, system.sub.u2]) {
    await admin.one({ type: 'create', topic: 'orders', params: { kind, userId, status: 'open', internalNote: 'x' } });
  }
  const read = { type: 'read', topic: 'orders', criteria: { kind } };
  const own = await u1.one(read);
  const { id, ...rest } = own.response.payload;
  assert.deepEqual(rest, { kind, userId: system.sub.u1, status: 'open' } as object);
  const update = { type: 'update', topic: 'orders', criteria: { kind, userId: system.sub.u2 }, params: { address: 'y' } };
  assert.equal(code(await u1.one(update)), 'not found');
  assert.equal((await u1.one({ ...update, criteria: { id } })).response.payload.count, 1);
  assert.equal(says(await u1.one({ ...update, criteria: { id }, params: { status: 'closed' } })), 'forbidden field@params.status');
  assert.equal(says(await u1.one({ ...read, criteria: { internalNote: 'x' } })), 'forbidden field@criteria.internalNote');
  assert.equal(says(await u1.one({ ...read, criteria: { 'internalNote.a': 1 } })), 'forbidden field@criteria.internalNote.a');
  assert.equal(
    says(await u1.one({ ...read, criteria: { $or: [{ kind }, { $not: { internalNote: 'x' } }] } })),
    'forbidden field@criteria.$or.1.$not.internalNote',
  );
  assert.equal(says(await u1.one({ ...read, sort: ['-internalNote'] })), 'forbidden field@sort.0');
  assert.equal(says(await u1.one({ ...read, fields: ['internalNote'] })), 'forbidden field@fields.0');
  assert.equal(says(await u1.one({ ...update, criteria: { internalNote: 'x' } })), 'forbidden field@criteria.internalNote');
  const create = { type: 'create', topic: 'orders', params: { items: [1] } };
  assert.equal(says(await u1.one({ ...create, params: { userId: system.sub.u2 } })), 'forbidden field@params.userId');
  const made = await u1.one(create);
  assert.deepEqual([made.response.payload.userId, made.response.payload.status], [system.sub.u1, 'open']);
  assert.equal(says(await u1.one({ type: 'delete', topic: 'orders', criteria: { kind } })), 'forbidden role@null');
});

test('gooduncle:F14 a failure of ours is told by a name that the log has', async () => {
  const hasty = await system.startEdge({ GOODUNCLE_REQUEST_TIMEOUT_MS: '300' });
  using client = await Client.open(hasty.url);
  await system.killStore();
  const answer = await client.one({ type: 'read', topic: 'products', criteria: {} });
  assert.equal(answer.response.code, 'error');
  const incident = /incident ([\w-]+)/.exec(answer.response.errors[0]?.message ?? '')?.[1];
  assert.ok(incident !== undefined, JSON.stringify(answer.response.errors));
  assert.ok(
    hasty
      .log()
      .split('\n')
      .some((line) => line.includes(`"id":"${incident}"`) && line.includes('"level":"error"')),
    hasty.log(),
  );
  await system.startStore();
});

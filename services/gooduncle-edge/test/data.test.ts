/** What is created, read, updated and deleted, and what of it a role may see. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { code, newKind, products, says } from './answers.ts';
import { type Answer, Client } from './client.ts';
import { system, url } from './gooduncle-scene.ts';

const names = (answers: readonly Answer[]) => answers.map(({ response }) => response.payload.name);

test("gooduncle:F25 gooduncle:F26 T41 T42 T44 a create answers the resource; its id is the server's or the client's", async () => {
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

test('gooduncle:F30 gooduncle:F31 T47 T48 criteria find the matching rows', async () => {
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

test('gooduncle:F33 a write that changes nothing returns the version of the rows, and so does every acknowledgement of a subscription', async () => {
  using admin = await Client.open(url, 'admin');
  const { response: made } = await admin.one({ type: 'create', topic: 'products', params: { name: 'same' } });
  const { id } = made.payload;
  const update = { type: 'update', topic: 'products', criteria: { id }, params: { name: 'same' } };
  const { response: unchanged } = await admin.one(update);
  assert.deepEqual([unchanged.code, unchanged.version], ['ok', made.version]);
  const guarded = await admin.one({ ...update, criteria: { id, _version: unchanged.version } });
  assert.equal(code(guarded), 'ok');
  for (const [at, more] of [{ initial: false }, { initial: false, sort: ['name'], limit: 2 }, { criteria: { id: 'nobody' } }].entries()) {
    const { answers } = await admin.subscribe({ subscription: `v${at}`, topic: 'products', criteria: { id }, ...more });
    assert.deepEqual([answers[0]?.response.synced, typeof answers[0]?.response.version], [true, 'number'], JSON.stringify(more));
  }
});

test('gooduncle:F31 `$exists` takes a stored null for absent, as `null` does', async () => {
  using admin = await Client.open(url, 'admin');
  const kind = await products(admin, [{ name: 'a', size: null }, { name: 'b' }, { name: 'c', size: 0 }]);
  const found = async (size: unknown) =>
    names(await admin.ask({ type: 'read', topic: 'products', criteria: { kind, size }, sort: ['name'] }));
  assert.deepEqual(await found({ $exists: false }), ['a', 'b']);
  assert.deepEqual(await found(null), ['a', 'b']);
  assert.deepEqual(await found({ $exists: true }), ['c']);
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { code, newKind, says } from './answers.ts';
import { type Answer, Client, type Subscribed } from './client.ts';
import { admin, system, url } from './gooduncle-scene.ts';

/** Event and payload without the marks of a test. */
const brief = ({ response }: Answer): unknown[] => {
  const { kind, id, ...rest } = response.payload as Record<string, unknown>;
  return [response.event, rest];
};

const create = (params: object, topic = 'products') => admin.one({ type: 'create', topic, params });
const update = (criteria: object, params: object, topic = 'products') => admin.one({ type: 'update', topic, criteria, params });
const remove = (criteria: object, topic = 'products') => admin.one({ type: 'delete', topic, criteria });
/** A change that everything before it has been told of by the time it is. */
async function mark(subscribed: Subscribed, client: Client, kind: string): Promise<number> {
  const name = newKind();
  await create({ kind, category: 'A', name });
  await client.until(() => subscribed.later.some(({ response }) => response.payload.name === name), 'the mark');
  return subscribed.later.findIndex(({ response }) => response.payload.name === name);
}

test('gooduncle:F36 gooduncle:F37 gooduncle:F38 T62 T64 T65 T66 T67 T68 T69 T71 the six events are exact', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  for (const name of ['a', 'b']) await create({ kind, category: 'A', name });
  const criteria = { kind, category: 'A' };
  const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria, extra: { ref: 1 } });
  assert.deepEqual(
    live.answers.map(({ response }) => [response.event, response.seq, response.synced, response.count]),
    [
      ['original match', 0, undefined, undefined],
      ['original match', 1, true, 2],
    ],
  );
  await create({ kind, category: 'A', name: 'c' });
  await create({ kind, category: 'B', name: 'd' });
  await update({ kind, name: 'd' }, { category: 'A' });
  await update({ kind, name: 'd' }, { price: 3 });
  await update({ kind, name: 'd' }, { category: 'B' });
  await update({ kind, name: 'd' }, { price: 4 });
  assert.equal(code(await update({ kind, name: 'c' }, { category: 'A' })), 'ok');
  await remove({ kind, name: 'c' });
  await remove({ kind, name: 'd' });
  await create({ kind, category: 'A', name: 'end' });
  assert.deepEqual((await live.next(6)).map(brief), [
    ['match created', { category: 'A', name: 'c' }],
    ['match added', { category: 'A', name: 'd' }],
    ['match modified', { category: 'A', name: 'd', price: 3 }],
    ['match dropped', { category: 'B', name: 'd', price: 3 }],
    ['match deleted', { category: 'A', name: 'c' }],
    ['match created', { category: 'A', name: 'end' }],
  ]);
  const [first] = live.answers;
  for (const { request, passport } of live.answers) {
    assert.deepEqual(request, first?.request);
    assert.ok(passport.length > 0);
  }
  const versions = live.answers.map(({ response }) => response.version ?? 0);
  assert.deepEqual(
    versions,
    [...versions].sort((one, other) => one - other),
  );
});

test('gooduncle:F38 T63 T91 nothing to begin with is said once; so is `initial: false`', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  const none = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  const [answer] = none.answers;
  assert.deepEqual(
    [answer?.response.code, answer?.response.event, answer?.response.payload, answer?.response.count],
    ['ok', undefined, {}, 0],
  );
  await create({ kind, category: 'A' });
  const later = await client.subscribe({ subscription: 's2', topic: 'products', criteria: { kind }, initial: false });
  assert.deepEqual(
    later.answers.map(({ response }) => [response.event, response.synced]),
    [[undefined, true]],
  );
  await update({ kind }, { price: 1 });
  assert.deepEqual(
    (await later.next(1)).map(({ response }) => response.event),
    ['match modified'],
  );
});

test('gooduncle:F32 gooduncle:F51 T70 a change of invisible fields is not sent', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  await create({ kind, name: 'a' });
  const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind }, fields: ['name'] });
  await update({ kind }, { price: 1 });
  await update({ kind }, { name: 'b' });
  const [event] = await live.next(1);
  assert.deepEqual(
    [event?.response.event, Object.keys(event?.response.payload ?? {}).sort(), event?.response.payload.name],
    ['match modified', ['id', 'name'], 'b'],
  );
});

test('gooduncle:F39 gooduncle:F40 gooduncle:F41 T72 T73 T74 T75 T77 an id is used once in a session', async () => {
  using client = await Client.open(url);
  using other = await Client.open(url);
  const kind = newKind();
  const subscribe = { type: 'subscribe', subscription: 's1', topic: 'products', criteria: { kind } };
  const live = await client.subscribe(subscribe);
  assert.equal(says(await client.one(subscribe)), 'bad request duplicate@subscription');
  await create({ kind });
  await live.next(1);
  assert.equal(code(await client.one({ type: 'unsubscribe', subscription: 's1' })), 'ok');
  assert.equal(says(await client.one(subscribe)), 'bad request duplicate@subscription');
  assert.equal(code(await client.one({ type: 'unsubscribe', subscription: 's1' })), 'not found');
  assert.equal(code(await client.one({ type: 'unsubscribe', subscription: 'never' })), 'not found');
  const elsewhere = await other.subscribe(subscribe);
  assert.equal(elsewhere.answers[0]?.response.code, 'ok');
  // Two in one segment.
  const refs = [client.start({ ...subscribe, subscription: 's2' }), client.start({ ...subscribe, subscription: 's2' })];
  await client.until(() => refs.every((ref) => client.to(ref).length > 0));
  assert.deepEqual(
    refs.map((ref) => client.to(ref).map(code)),
    [['ok'], ['bad request']],
  );
});

test('gooduncle:F23 gooduncle:F49 T37 T38 a subscription keeps the roles it was made with, and a refused one its id', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  const subscribe = { type: 'subscribe', subscription: 's1', topic: 'orders', criteria: { kind } };
  const refused = await client.one(subscribe);
  assert.deepEqual([says(refused), refused.response.last], ['forbidden role@null', true]);
  await client.upgrade('u1');
  const live = await client.subscribe(subscribe);
  assert.deepEqual((await client.one({ type: 'downgrade' })).session.roles, []);
  await create({ kind, userId: system.sub.u1 }, 'orders');
  const [event] = await live.next(1);
  assert.deepEqual([event?.response.event, event?.session.roles], ['match created', []]);
  assert.equal(says(await client.one({ type: 'read', topic: 'orders', criteria: {} })), 'forbidden role@null');
});

test('gooduncle:F41 T76 after the answer to unsubscribe there is silence', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  await create({ kind, n: 0 });
  const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  for (let n = 1; n <= 300; n += 1) admin.send({ type: 'update', topic: 'products', criteria: { kind }, params: { n } });
  await live.next(20);
  const done = await client.one({ type: 'unsubscribe', subscription: 's1' });
  const at = client.answers.indexOf(done);
  await update({ kind }, { n: -1 });
  await client.one({ type: 'read', topic: 'products', criteria: { kind } });
  assert.equal(client.answers.slice(at + 1).filter(({ request }) => (request.payload as { type: string }).type === 'subscribe').length, 0);
});

test('gooduncle:F43 gooduncle:F47 T78 T79 equal queries both receive an event, and a writer receives the answer first', async () => {
  using writer = await Client.open(url, 'admin');
  const kind = newKind();
  const one = await writer.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  const two = await writer.subscribe({ subscription: 's2', topic: 'products', criteria: { kind } });
  for (let n = 0; n < 20; n += 1) {
    const count = writer.answers.length;
    await writer.one({ type: 'create', topic: 'products', params: { kind, n } });
    await one.next(n + 1);
    await two.next(n + 1);
    const came = writer.answers
      .slice(count)
      .map(({ request }) => (request.payload as { type: string; subscription?: string }).subscription ?? 'answer');
    assert.deepEqual(came, ['answer', 's1', 's2']);
  }
});

test('gooduncle:F44 T82 T83 T85 a window keeps its size, and says where rows go', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  for (const price of [10, 20, 30, 40]) await create({ kind, price });
  const request = { topic: 'products', criteria: { kind }, limit: 3 };
  assert.equal(says(await client.one({ type: 'subscribe', subscription: 's0', ...request })), 'bad request missing@sort');
  const live = await client.subscribe({ subscription: 's1', ...request, sort: ['price'] });
  await create({ kind, price: 5 });
  await remove({ kind, price: 10 });
  await update({ kind, price: 5 }, { price: 25 });
  await update({ kind, price: 20 }, { price: 99 });
  const events = (await live.next(7)).map(({ response }) => [response.event, response.payload.price, response.position]);
  assert.deepEqual(events, [
    ['match dropped', 30, { from: 2, to: null }],
    ['match created', 5, { from: null, to: 0 }],
    ['match deleted', 10, { from: 1, to: null }],
    ['match added', 30, { from: null, to: 2 }],
    ['match modified', 25, { from: 0, to: 1 }],
    ['match dropped', 99, { from: 0, to: null }],
    ['match added', 40, { from: null, to: 2 }],
  ]);
});

test('gooduncle:F51 gooduncle:F52 T86 T87 a row that may no longer be seen leaves only its id, and hidden fields make no noise', async () => {
  using u1 = await Client.open(url, 'u1');
  using u2 = await Client.open(url, 'u2');
  const kind = newKind();
  await create({ kind, userId: system.sub.u1, status: 'open' }, 'orders');
  const subscribe = { subscription: 's1', topic: 'orders', criteria: { kind } };
  const [one, two, all] = [
    await u1.subscribe(subscribe),
    await u2.subscribe(subscribe),
    await admin.subscribe({ ...subscribe, subscription: kind }),
  ];
  await update({ kind }, { internalNote: 'late' }, 'orders');
  await update({ kind }, { userId: system.sub.u2 }, 'orders');
  const [dropped] = await one.next(1);
  assert.deepEqual([dropped?.response.event, Object.keys(dropped?.response.payload ?? {})], ['match dropped', ['id']]);
  const [added] = await two.next(1);
  assert.deepEqual([added?.response.event, added?.response.payload.internalNote], ['match added', undefined]);
  assert.deepEqual(
    (await all.next(2)).map(({ response }) => response.event),
    ['match modified', 'match modified'],
  );
  await update({ kind }, { internalNote: 'later' }, 'orders');
  await remove({ kind }, 'orders');
  const [, deleted] = await two.next(2);
  assert.deepEqual([deleted?.response.event, deleted?.response.payload.internalNote], ['match deleted', undefined]);
  assert.equal(one.later.length, 1);
});

test('gooduncle:F46 T90 a throttle spaces the events of a row and ends with its last state', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  await create({ kind, n: 0 });
  const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind }, throttle: 500 });
  const window = await client.subscribe({
    subscription: 's2',
    topic: 'products',
    criteria: { kind },
    throttle: 500,
    sort: ['n'],
    limit: 2,
  });
  let n = 0;
  while (live.later.length < 3 || window.later.length < 3) {
    n += 1;
    await update({ kind }, { n });
  }
  for (const one of [live, window]) {
    await client.until(() => one.later.at(-1)?.response.payload.n === n);
    for (const [at, { response }] of one.later.entries()) {
      const before = one.later[at - 1];
      if (before !== undefined) assert.ok(response.time - before.response.time >= 499);
    }
  }
});

test('gooduncle:F40 T92 a new connection starts without subscriptions', async () => {
  const kind = newKind();
  const first = await Client.open(url, 'admin');
  await first.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  const session = first.answers[0]?.session.id;
  first.ws.terminate();
  using second = await Client.open(url);
  await create({ kind });
  const live = await second.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  assert.notEqual(live.answers[0]?.session.id, session);
  assert.deepEqual(live.answers[0]?.session.roles, []);
  assert.equal(second.answers.length, 1);
});

test('gooduncle:F47 T93 the 101st active subscription is one too many', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  const subscribe = (at: number) => ({ type: 'subscribe', subscription: `s${at}`, topic: 'products', criteria: { kind, at } });
  for (let at = 0; at < 100; at += 1) client.send(subscribe(at));
  await client.until(() => client.answers.length === 100);
  assert.equal(says(await client.one(subscribe(100))), 'forbidden limit@subscription');
  await client.one({ type: 'unsubscribe', subscription: 's0' });
  await client.subscribe(subscribe(100));
});

test('gooduncle:F43 gooduncle:F48 T94 three hundred subscribers of one query each receive a change once, and beats continue', async () => {
  const kind = newKind();
  const clients = await Promise.all(Array.from({ length: 300 }, () => Client.open(url)));
  try {
    const lives = await Promise.all(
      clients.map((client) => client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } })),
    );
    await create({ kind });
    await create({ kind });
    await Promise.all(lives.map((live) => live.next(2)));
    assert.deepEqual(new Set(lives.map((live) => live.later.length)), new Set([2]));
    for (const client of clients) {
      const beats = client.others.length;
      await client.until(() => client.others.length > beats, 'a beat');
    }
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

test('gooduncle:F45 T88 a client that stops reading gets the last state of ten rows, merged', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  for (let row = 0; row < 10; row += 1) await create({ kind, row, n: 0, filler: 'x'.repeat(6000) });
  const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  client.ws.pause();
  // More than the kernel keeps for a reader that does not read.
  const rounds = 300;
  for (let n = 1; n <= rounds; n += 1) await update({ kind }, { n });
  client.ws.resume();
  const state = new Map<string, unknown>();
  await client.until(() => {
    for (const { response } of live.answers) state.set(response.payload.id, response.payload.n);
    return state.size === 10 && [...state.values()].every((n) => n === rounds);
  });
  await live.next(10);
  assert.ok(live.later.length < rounds * 10, `${live.later.length} events`);
  assert.equal(await mark(live, client, kind), live.later.length - 1);
});

test('gooduncle:F43 gooduncle:F45 events continue after original matches of far more bytes than are sent at once', async () => {
  using client = await Client.open(url);
  const kind = newKind();
  // Four times what a session may owe before events wait.
  for (let row = 0; row < 100; row += 1) await create({ kind, row, filler: 'x'.repeat(10_000) });
  const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } });
  assert.equal(live.answers.length, 100);
  assert.equal(await mark(live, client, kind), 0);
});

/** What a process has in memory, in bytes. */
const residentBytes = (pid: number): number => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;

test('gooduncle:F45 T89 clients that leave more unread than is kept for them get an error, or are closed, and the edge stays small', async () => {
  const edge = await system.startEdge();
  const kind = newKind();
  const clients = await Promise.all(Array.from({ length: 20 }, () => Client.open(edge.url)));
  try {
    const lives = await Promise.all(
      clients.map((client) => client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind } })),
    );
    const few = await Promise.all(
      clients.map((client) => client.subscribe({ subscription: 's2', topic: 'products', criteria: { kind, slot: 0 } })),
    );
    for (const client of clients) client.ws.pause();
    const before = residentBytes(edge.pid);
    let most = before;
    // Of 800 rows, more than is kept for one subscription; what all changes come to, for all clients, is some 400 MB.
    const slots = Array.from({ length: 40 }, (_, slot) => slot);
    for (let row = 0; row < 20; row += 1) await Promise.all(slots.map((slot) => create({ kind, slot, filler: 'y'.repeat(6000) })));
    const rounds = 3;
    for (let n = 1; n <= rounds; n += 1) {
      await Promise.all(slots.map((slot) => update({ kind, slot }, { n })));
      most = Math.max(most, residentBytes(edge.pid));
    }
    // What may be kept for one client: 8 MiB for its socket, 4 MiB for each of its subscriptions.
    assert.ok(most - before < clients.length * 16 * 2 ** 20, `${before} bytes before, ${most} at most`);
    for (const client of clients) client.ws.resume();
    for (const [at, client] of clients.entries()) {
      const [live, other] = [lives[at], few[at]];
      assert.ok(live && other);
      const isOver = (): boolean => live.answers.at(-1)?.response.last === true && other.later.filter(isLast).length === 20;
      const isLast = ({ response }: Answer): boolean => response.payload.n === rounds;
      await client.until(() => client.closed !== undefined || isOver(), 'close');
      for (const { answers } of [live, other]) {
        const seqs = answers.map(({ response }) => response.seq);
        assert.deepEqual(
          seqs,
          seqs.map((_, index) => index),
        );
      }
      if (isOver()) assert.equal(says(live.answers.at(-1) as Answer), 'error overflow@null');
      else assert.ok(client.closed?.code === 1013 || client.closed?.code === 1006, JSON.stringify([client.closed, live.later.length]));
    }
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

test('gooduncle:F36 subscribe names fields that may not be seen: refused, and the id stays free', async () => {
  using u1 = await Client.open(url, 'u1');
  const subscribe = { type: 'subscribe', subscription: 's1', topic: 'orders', criteria: { internalNote: 'x' } };
  assert.equal(says(await u1.one(subscribe)), 'forbidden field@criteria.internalNote');
  const sorted = { ...subscribe, criteria: {}, sort: ['internalNote'], limit: 3 };
  assert.equal(says(await u1.one(sorted)), 'forbidden field@sort.0');
  await u1.subscribe({ ...subscribe, criteria: {} });
});

/** How a session gains and loses roles. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { code, says } from './answers.ts';
import { type Answer, Client } from './client.ts';
import { type Provider, startProvider } from './open-id.ts';
import { hashed, type System, startSystem, TENANT, USERS } from './system.ts';

const parts = new AsyncDisposableStack();
let provider: Provider;
let system: System;
let url: string;
before(async () => {
  provider = parts.use(await startProvider());
  system = parts.use(await startSystem({ edge: provider.env }));
  url = system.edge.url;
});
after(() => parts.disposeAsync());

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

test('gooduncle:F19 T30 a wrong password and an unknown user get the same answer', async () => {
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
  const token = await provider.token({ sub: 'ann', roles: ['clerk'], forMs: 5000 });
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
  assert.ok((await system.bus.request(accountsUpdate, accountsUpdate.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 })).ok);
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

test('gooduncle:F24 T39 requests after an upgrade wait for it', async () => {
  using client = await Client.open(url);
  client.send({ type: 'upgrade', ...USERS.admin });
  const read = await client.one({ type: 'read', topic: 'orders', criteria: { kind: 'none' } });
  assert.equal(code(read), 'not found');
  using many = await Client.open(url);
  const refused = (): number => many.answers.filter((answer) => code(answer) === 'slow down').length;
  // The upgrade is not answered meanwhile.
  system.nats.pause();
  try {
    many.send({ type: 'upgrade', ...USERS.admin });
    for (let at = 0; at < 70; at += 1) many.send({ type: 'unsubscribe', subscription: 'none' });
    await many.until(() => refused() === 6);
    assert.equal(many.answers.length, 6);
  } finally {
    system.nats.resume();
  }
  await many.until(() => many.answers.length === 71);
  assert.equal(refused(), 6);
});

test('gooduncle:F18 T40 the sixth of ten wrong upgrades in a row is answered with slow down', async () => {
  using client = await Client.open(url);
  const codes: string[] = [];
  for (let at = 0; at < 10; at += 1) codes.push(code(await client.one({ type: 'upgrade', user: 'nobody', password: hashed(`${at}`) })));
  assert.deepEqual(codes, [...Array(5).fill('forbidden'), ...Array(5).fill('slow down')]);
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Ack, Client, connect, type Session, session } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

let system: System;
let url: string;
const open: { close(): void }[] = [];

before(async () => {
  // A socket that sends thousands of messages instead of a token is judged, not when it is given up.
  system = await startSystem({ saga: { SAGA_MAX_FRAME_BYTES: '2500000', SAGA_MAX_JOINS: '500', SAGA_AUTH_TIMEOUT_MS: '600s' } });
  url = system.saga.url;
});
after(async () => {
  for (const client of open) client.close();
  await system[Symbol.asyncDispose]();
});

async function admin(): Promise<Session> {
  const client = await session(url, ADMIN);
  open.push(client);
  return client;
}

async function residentBytes(): Promise<number> {
  const text = await (await fetch(system.saga.metricsUrl)).text();
  return Number(
    /^(?:nodejs_|process_)?(?:resident_memory_bytes|process_resident_memory_bytes)(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1] ?? Number.NaN,
  );
}

test('saga:7 ten thousand joins by one socket are answered, the first of them with 200 and the rest with 429', async () => {
  const client = await admin();
  const bots: string[] = [];
  for (let at = 0; at < 520; at += 20) {
    const made = await Promise.all(Array.from({ length: 20 }, () => client.api('POST', '/bots', { name: 'many' })));
    bots.push(...made.map(({ body }) => body._id));
  }
  const statuses = await Promise.all(bots.map(async (bot) => (await client.send('/bots/join', bot)).status_code));
  assert.equal(statuses.filter((status) => status === 200).length, 500);
  assert.equal(statuses.filter((status) => status === 429).length, 20);
  const more: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    const some = Array.from({ length: 1000 }, (_, at) => client.send('/bots/join', bots[510 + (at % 10)]));
    more.push(...(await Promise.all(some)).map(({ status_code }) => status_code));
  }
  assert.ok(more.every((status) => status === 429));
  await client.send('/bots/leave', bots[0]);
  assert.equal((await client.send('/bots/join', bots[519])).status_code, 200);
});

test("saga:9 names that would reach an object's prototype are refused, and values that hold them are only values", async () => {
  const client = await admin();
  const bot = (await client.api('POST', '/bots', { name: 'proto' })).body._id;
  for (const name of ['__proto__', 'prototype', 'constructor']) {
    assert.equal((await client.send('/bots/properties', { parent_id: bot, name, value: 1 })).status_code, 422);
    assert.equal((await client.send('/bots/properties/set', { parent_id: bot, name: 'o', key: name, value: 1 })).status_code, 422);
    assert.equal((await client.api('PUT', `/bots/${bot}/properties/${name}`, { value: 1 })).status, 422);
  }
  const raw = `{"name":"poison","value":{"__proto__":{"polluted":1},"constructor":{"a":1}}}`;
  assert.equal((await client.api('POST', `/bots/${bot}/properties`, raw)).status, 200);
  const read = await fetch(`${url}/bots/${bot}/properties/poison`, { headers: { 'access-token': client.token } });
  assert.match(await read.text(), /"__proto__":\{"polluted":1\}/);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  assert.equal((await client.api('POST', `/bots`, '{"__proto__":{"name":"x"}}')).status, 422);
});

test('saga:6 payloads of every wrong kind are answered, and none of them harms the socket', async () => {
  const client = await admin();
  const deep = JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`);
  const payloads: readonly unknown[] = [
    undefined,
    null,
    '',
    'x',
    0,
    -1.5,
    true,
    [],
    [[]],
    {},
    { name: null },
    { name: [] },
    { parent_id: {} },
    deep,
  ];
  const events = [
    '/users/properties',
    '/bots/properties/incr',
    '/globals/properties/hset',
    '/users/message',
    '/bots/signals',
    '/users/join',
    '/scripts/versions/leave',
    '/x',
    'x',
  ];
  for (const event of events) {
    for (const payload of payloads) {
      const ack = await client.send(event, payload);
      assert.ok(ack.status_code >= 400 || event.endsWith('leave'), `${event} ${JSON.stringify(payload)}`);
      if (ack.status_code !== 200) assert.equal(typeof ack.body.name, 'string');
    }
  }
  for (const value of [deep, 'a\u0000b', '\ud800', 'x'.repeat(2_200_000)]) {
    const ack = await client.send('/globals/properties', { name: 'odd', value });
    assert.ok([413, 422].includes(ack.status_code), `${ack.status_code}`);
  }
  const binary = await client.send('/globals/properties', { name: 'bin', value: Buffer.from('x') });
  assert.equal(binary.status_code, 400);
  assert.equal((await client.send('/globals/properties', { name: 'fine', value: 1 })).status_code, 200);
});

test('saga:1 a message over the limit ends its own connection and no other', async () => {
  const [client, other] = await Promise.all([admin(), admin()]);
  client.emit('/globals/properties', { name: 'big', value: 'x'.repeat(3_000_000) });
  await client.until(() => client.reason !== undefined);
  assert.equal((await other.send('/globals/properties', { name: 'small', value: 1 })).status_code, 200);
});

test('saga:3 a flood of messages, each with a number to be answered, is answered in order and leaves the edge small', async () => {
  const client = await admin();
  const began = await residentBytes();
  const answers: number[] = [];
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`only ${answers.length} answers`)), 30_000);
    for (let at = 0; at < 20_000; at += 1) {
      client.socket.emit('/nothing', at, ({ status_code }: Ack) => {
        assert.ok(status_code === 404 || status_code === 429);
        if (answers.push(at) < 20_000) return;
        clearTimeout(late);
        resolve();
      });
    }
  });
  assert.ok(answers.every((at, index) => at === index));
  const grown = (await residentBytes()) - began;
  assert.ok(Number.isNaN(grown) || grown < 200 * 1024 * 1024, `${grown} bytes`);
  const silent = new Client(connect(url));
  open.push(silent);
  for (let at = 0; at < 5000; at += 1) silent.emit('/users/join', 'x');
  await silent.next('error', 5000);
});

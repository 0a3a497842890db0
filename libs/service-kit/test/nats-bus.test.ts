/** What only the NATS bus can show: refusals at the start, permissions, a server that dies and comes back. */
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { done, failed } from '@polyedge/contracts/errors';
import { trialEcho, trialHappened } from '@polyedge/contracts/testing/trial-channels';
import { startNats } from '@polyedge/testkit/servers/nats';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { connectNatsBus, type NatsBus, type NatsBusOptions } from '../src/nats-bus.ts';
import type { Span, Spans } from '../src/spans.ts';
import { startStandingResponder } from './standing-responder.ts';

const timeoutMs = 5_000;
/** A time-out that no test waits for. */
const LONG_MS = 10 * PATIENCE_MS;
const subject = trialEcho.subject({ tenant: 'acme' });

async function connected(options: NatsBusOptions): Promise<NatsBus & AsyncDisposable> {
  const bus = await connectNatsBus(options);
  if (!bus.ok) throw new Error(bus.failure.detail);
  return Object.assign(bus.value, { [Symbol.asyncDispose]: () => bus.value.close() });
}

test('a server that takes too little is refused with the line to set', async () => {
  // The last word in the file wins.
  await using nats = await startNats({ config: 'max_payload: 1048576' });
  const bus = await connectNatsBus({ url: nats.url, service: 'asker' });
  assert.ok(!bus.ok);
  assert.match(bus.failure.detail ?? '', /set "max_payload: 8388608"/);
});

test('no server within the time is a sentence, and wrong credentials are one at once', async () => {
  await using nats = await startNats({ config: 'authorization { user: "ada", password: "right" }' });
  const none = await connectNatsBus({ url: 'nats://127.0.0.1:1', service: 'asker', connectMs: 300 });
  assert.equal(none.ok ? 'ok' : none.failure.code, 'unavailable');
  const credentials = { kind: 'password', user: 'ada', password: 'wrong' } as const;
  const wrong = await connectNatsBus({ url: nats.url, service: 'asker', credentials });
  assert.equal(wrong.ok ? 'ok' : wrong.failure.code, 'not-allowed');
  assert.ok(!wrong.ok && !wrong.failure.detail?.includes('wrong'));
  const right = await connected({ url: nats.url, service: 'asker', credentials: { ...credentials, password: 'right' } });
  await right.close();
  const inUrl = await connected({ url: nats.url.replace('//', '//ada:right@'), service: 'asker' });
  await inUrl.close();
});

test('a server that goes away between the handshake and the first answer is waited for', async () => {
  await using nats = await startNats();
  // The second PING of a client is its first question after the handshake.
  let cuts = 3;
  await using way = createServer((client) => {
    const upstream = connect({ port: nats.port, host: '127.0.0.1' });
    let pings = 0;
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    upstream.pipe(client);
    client.on('data', (chunk) => {
      pings += chunk.toString('latin1').split('PING').length - 1;
      if (pings < 2 || cuts === 0) upstream.write(chunk);
      else {
        cuts -= 1;
        upstream.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  const { port } = way.address() as AddressInfo; // of a TCP server
  await using bus = await connected({ url: `nats://127.0.0.1:${port}`, service: 'asker' });
  assert.equal(cuts, 0);
  assert.ok((await bus.flush(timeoutMs)).ok);
  await bus.close();
});

test('servers that stand still are left for one that answers', async () => {
  await using first = await startNats();
  await using second = await startNats();
  await using bus = await connected({ url: `${first.url},${second.url}`, service: 'asker' });
  // Which of the two it is on is its own choice.
  for (const server of [first, second]) server.pause();
  try {
    await until('the bus knows that it is disconnected', () => bus.status === 'disconnected');
    second.resume();
    await until('the bus is connected again', () => bus.status === 'connected');
    assert.ok((await bus.flush(timeoutMs)).ok);
  } finally {
    for (const server of [first, second]) server.resume();
  }
});

test('a server that stands still while data waits is left too: what waits has a bound, and requests beyond it are refused', async () => {
  await using nats = await startNats();
  await using bus = await connected({ url: nats.url, service: 'asker' });
  const text = JSON.stringify('x'.repeat(2 ** 20));
  const story: string[] = [];
  bus.onStatus((status) => story.push(status));
  nats.pause();
  try {
    let published = 0;
    for (; bus.counts.unsent === 0 && published < 300; published += 1) assert.ok(bus.publishText('trial.large', text));
    const request = bus.request(trialEcho, subject, { text: '' }, { timeoutMs: LONG_MS });
    assert.ok(published >= 64 && published < 70, `${published} MiB are kept`);
    const refused = await request;
    assert.equal(refused.ok ? 'ok' : refused.failure.code, 'busy');
    await until('the bus leaves the server', () => story.includes('disconnected'));
    assert.ok(bus.publishText('trial.large', text), 'dropped');
  } finally {
    nats.resume();
  }
  await until('the bus is connected again', () => bus.status === 'connected');
  assert.ok((await bus.flush(timeoutMs)).ok);
  const sent = bus.counts.published;
  assert.ok(bus.publishText('trial.large', text));
  assert.equal(bus.counts.published, sent + 1, 'nothing waits any more');
});

test('a service whose inbox is not allowed does not start; a subject that is not allowed fails its requests at once', {
  timeout: PATIENCE_MS,
}, async () => {
  const config = `authorization {
  users: [
    { user: "no-inbox", password: "x", permissions: { subscribe: { deny: "_INBOX.>" } } }
    { user: "asker", password: "x", permissions: { publish: { deny: "${subject}" } } }
  ]
}`;
  await using nats = await startNats({ config });
  const refused = await connectNatsBus({
    url: nats.url,
    service: 'asker',
    credentials: { kind: 'password', user: 'no-inbox', password: 'x' },
  });
  assert.equal(refused.ok ? 'ok' : refused.failure.code, 'not-allowed');
  await using bus = await connected({ url: nats.url, service: 'asker', credentials: { kind: 'password', user: 'asker', password: 'x' } });
  const outcome = await bus.request(trialEcho, subject, { text: '' }, { timeoutMs: LONG_MS });
  assert.equal(outcome.ok ? 'ok' : outcome.failure.code, 'unavailable');
  assert.ok(bus.counts.serverErrors > 0);
  assert.equal(bus.status, 'connected');
});

test("after a server's death: disconnected before anything else, requests fail at once, then all is subscribed again", async () => {
  await using nats = await startNats();
  await using asker = await connected({ url: nats.url, service: 'asker' });
  await using teller = await connected({ url: nats.url, service: 'teller' });
  const story: string[] = [];
  asker.onStatus((status) => story.push(status));
  asker.subscribe(trialHappened, trialHappened.pattern({}), (body) => story.push(`heard ${body.n}`));
  const held = Promise.withResolvers<void>();
  const responder = teller.respond(trialEcho, async (body) => {
    if (body.text === 'hold') await held.promise;
    return done({ text: body.text, by: 'teller' });
  });
  await asker.flush(timeoutMs);
  await teller.flush(timeoutMs);
  const waiting = asker.request(trialEcho, subject, { text: 'hold' }, { timeoutMs: 60_000 });
  await asker.flush(timeoutMs);
  await nats.kill();
  const lost = await waiting;
  assert.equal(lost.ok ? 'ok' : lost.failure.code, 'unavailable');
  held.resolve();
  await until('both know that they are disconnected', () => asker.status === 'disconnected' && teller.status === 'disconnected');
  const refused = await asker.request(trialEcho, subject, { text: '' }, { timeoutMs: 60_000 });
  assert.equal(refused.ok ? 'ok' : refused.failure.code, 'unavailable');
  assert.equal((await asker.flush(1_000)).ok, false);
  // Nothing is kept for later: what is said now is lost, not late.
  teller.publish(trialHappened, { key: 'a' }, { n: 1 });
  // A subscription made while there is no server is made when there is one.
  asker.subscribe(trialHappened, trialHappened.pattern({ key: 'b' }), (body) => story.push(`b heard ${body.n}`));
  await nats.restart();
  await until('both are connected again', () => asker.status === 'connected' && teller.status === 'connected');
  await asker.flush(timeoutMs);
  teller.publish(trialHappened, { key: 'b' }, { n: 2 });
  await until('both hear the second message', () => story.includes('b heard 2') && story.includes('heard 2'));
  assert.deepEqual(story.slice(0, 2), ['disconnected', 'connected']);
  assert.equal(story.filter((line) => line.includes('heard')).length, 2);
  const again = await asker.request(trialEcho, subject, { text: 'again' }, { timeoutMs });
  assert.deepEqual(again, done({ text: 'again', by: 'teller' }));
  await responder.stop();
  await asker.close();
});

test('a server that keeps being killed is always found again', async () => {
  await using nats = await startNats();
  await using bus = await connected({ url: nats.url, service: 'asker' });
  let lost = 0;
  bus.onStatus((status) => {
    if (status === 'disconnected') lost += 1;
  });
  const rounds = 4;
  for (let round = 1; round <= rounds; round += 1) {
    await nats.kill();
    await until('the bus knows that it is disconnected', () => bus.status === 'disconnected');
    await nats.restart();
    await until('the bus is connected again', () => bus.status === 'connected');
    assert.equal(lost, round);
  }
  assert.equal((await bus.flush(timeoutMs)).ok, true);
});

test("a handler's span is a child of the request's, and both end with the result", async () => {
  const story: string[] = [];
  let number = 0;
  const begun = (what: string): Span => {
    number += 1;
    const name = `${what} #${number}`;
    story.push(`${name} begins`);
    return { traceparent: name, run: (work) => work(), end: (result) => story.push(`${name} ends ${result}`) };
  };
  const spans: Spans = {
    frame: (edge, type) => begun(`${edge} ${type}`),
    call: (name) => begun(name),
    request: () => begun('request'),
    handler: (_, traceparent) => begun(`handler of ${traceparent}`),
    step: (name) => begun(name),
    current: () => undefined,
  };
  await using nats = await startNats();
  await using bus = await connected({ url: nats.url, service: 'asker', spans });
  const responder = bus.respond(trialEcho, async () => failed('not-found'));
  await bus.flush(timeoutMs);
  await bus.request(trialEcho, subject, { text: '' }, { timeoutMs });
  assert.deepEqual(story, [
    'request #1 begins',
    'handler of request #1 #2 begins',
    'handler of request #1 #2 ends not-found',
    'request #1 ends not-found',
  ]);
  await responder.stop();
});

test('a request rejected as expired right after sending is sent once more without a deadline: two clocks differ', async (t) => {
  await using nats = await startNats();
  await using answering = await connected({ url: nats.url, service: 'answerer' });
  await using asking = await connected({ url: nats.url, service: 'asker' });
  let called = 0;
  answering.respond(trialEcho, async ({ text }) => {
    called += 1;
    return done({ text, by: 'answerer' });
  });
  await answering.flush(timeoutMs);
  // The process has one clock: it goes wrong between the two.
  const now = Date.now;
  t.mock.method(Date, 'now', () => now() + (new Error().stack?.includes('NatsRequests') === true ? -7_200_000 : 0));
  assert.deepEqual(await asking.request(trialEcho, subject, { text: 'x' }, { timeoutMs }), done({ text: 'x', by: 'answerer' }));
  assert.equal(called, 1);
  assert.equal(asking.counts.skewed, 1);
});

test("the deadline of a request is on the responder's own clock, also when the clocks of the two are hours apart", async (t) => {
  await using nats = await startNats();
  await using answering = await connected({ url: nats.url, service: 'answerer' });
  await using asking = await connected({ url: nats.url, service: 'asker' });
  const left: number[] = [];
  answering.respond(trialEcho, async ({ text }, { deadline }) => {
    left.push(deadline - performance.now());
    return done({ text, by: 'answerer' });
  });
  await answering.flush(timeoutMs);
  // The process has one clock: it goes wrong between the two, either way.
  const now = Date.now;
  for (const wrongBy of [-7_200_000, 7_200_000]) {
    t.mock.method(Date, 'now', () => now() + (new Error().stack?.includes('NatsRequests') === true ? wrongBy : 0));
    for (let n = 0; n < 3; n += 1) assert.ok((await asking.request(trialEcho, subject, { text: 'x' }, { timeoutMs: PATIENCE_MS })).ok);
  }
  assert.equal(left.length, 6);
  for (const ms of left) assert.ok(ms > PATIENCE_MS / 2 && ms <= PATIENCE_MS + 1, `${ms} ms are left`);
  assert.ok(asking.counts.skewed <= 1, 'only the first request is asked twice');
});

test('a request that lay before a responder that stood still is not begun when its caller has gone', async () => {
  await using nats = await startNats();
  await using answering = await startStandingResponder(nats.url);
  await using asking = await connected({ url: nats.url, service: 'asker' });
  const sent = performance.now();
  assert.ok((await asking.request(trialEcho, subject, { text: '' }, { timeoutMs })).ok);
  const roundTripMs = performance.now() - sent;
  await answering.standStill();
  assert.equal((await asking.request(trialEcho, subject, { text: '' }, { timeoutMs: 50 })).ok, false);
  // A responder knows how long a request lay except for what the fastest one took.
  await setTimeout(roundTripMs);
  answering.goOn();
  assert.equal(await answering.called(), 1);
});

/** What open pages cost the system: the subscriptions, questions and writes that a console makes for any number of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mock, test } from 'node:test';
import { connectionsFound, connectionsWanted, serviceStatus } from '@polyedge/contracts/bus/console';
import { graphChanged, graphHead } from '@polyedge/contracts/bus/feed';
import type { Principal } from '@polyedge/contracts/principal';
import { until } from '@polyedge/testkit/until';
import { fastify } from 'fastify';
import { Streams } from '../src/http/streams.ts';
import { eventText } from '../src/live/event-text.ts';
import { startLoneConsole } from './lone-console.ts';

const PRINCIPAL: Principal = {
  ...{ account: 'a', tenant: 't', username: 'a', roles: {}, defaultScope: 's', scopes: [] },
  ...{ session: 's', app: 'a', issuedAt: 0, expiresAt: 1 },
};

test('changes and heads come to the console only while a tail is open, once for all tails', async (t) => {
  await using lone = await startLoneConsole();
  const now = new AbortController();
  await lone.get('now', now.signal);
  assert.deepEqual(lone.subscriptions(), []);
  const tails = new AbortController();
  await Promise.all(Array.from({ length: 10 }, () => lone.get('tail', tails.signal)));
  const opened = lone.subscriptions();
  assert.deepEqual(opened.map(({ address }) => address).sort(), [graphChanged.address, graphHead.address].sort());
  const ends = opened.map(({ subscription }) => t.mock.method(subscription, 'unsubscribe').mock);
  tails.abort();
  await until('the tail has ended', () => ends.every((end) => end.callCount() > 0));
  now.abort();
});

test('ten pages with the connections ask the edges once', async (t) => {
  await using lone = await startLoneConsole();
  const { bus } = lone;
  const process = { service: 'hiro-edge', instance: 'one', version: '1', beat: 1, uptimeMs: 1, ready: true } as const;
  const use = { memoryBytes: 1, heapBytes: 1, cpu: 0, loopDelayMs: 0, loopDelayMaxMs: 0, figures: {} };
  bus.publish(serviceStatus, { service: 'hiro-edge' }, { ...process, ...use });
  let questions = 0;
  bus.subscribe(connectionsWanted, connectionsWanted.pattern({}), ({ question }) => {
    questions += 1;
    bus.publish(connectionsFound, { question }, { service: 'hiro-edge', instance: 'one', matching: questions, connections: [] });
  });
  await until('the console knows the edge', async () => (await (await lone.get('status')).text()).includes('hiro-edge'));
  // However long the ten requests take here.
  const at = performance.now();
  t.mock.method(performance, 'now', () => at);
  const answers = await Promise.all(Array.from({ length: 10 }, async () => (await lone.get('connections')).json()));
  assert.deepEqual(answers, Array(10).fill({ connections: [], matching: 1, missing: 0 }));
  assert.equal(questions, 1);
});

test('a page that leaves while its session is checked takes no stream', async (t) => {
  const streams = new Streams({ max: 1, isOver: () => false });
  const app = fastify();
  t.after(() => app.close());
  const begun = Promise.withResolvers<void>();
  app.get('/stays', (_request, reply) => streams.begin(reply, PRINCIPAL, () => () => {}));
  app.get('/leaves', async (_request, reply) => {
    begun.resolve();
    await once(reply.raw, 'close');
    return streams.begin(reply, PRINCIPAL, () => () => {});
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const leaving = new AbortController();
  const left = fetch(`${url}/leaves`, { signal: leaving.signal });
  await begun.promise;
  leaving.abort();
  await assert.rejects(left);
  const stays = await fetch(`${url}/stays`);
  assert.equal(stays.status, 200);
  assert.equal(streams.size, 1);
  await stays.body?.cancel();
});

test('events that follow each other leave in one write', async (t) => {
  const streams = new Streams({ max: 1, isOver: () => false });
  const writes: (() => number)[] = [];
  const app = fastify();
  t.after(() => app.close());
  app.get('/', (_request, reply) => {
    const { mock: written } = mock.method(reply.raw, 'write');
    writes.push(() => written.callCount());
    return streams.begin(reply, PRINCIPAL, ({ send }) => {
      for (let at = 0; at < 100; at += 1) send(eventText('change', at));
      return () => {};
    });
  });
  const response = await fetch(await app.listen({ port: 0, host: '127.0.0.1' }));
  let text = '';
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.includes('data: 99\n')) break;
  }
  assert.equal(text.match(/event: change/g)?.length, 100);
  // The line that says when to reconnect, the first event at once, and the others.
  assert.equal(writes[0]?.(), 3);
});

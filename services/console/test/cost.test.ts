/** What open pages cost the system: the subscriptions, questions and writes that a console makes for any number of them. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { connectionsFound, connectionsWanted, serviceStatus } from '@polyedge/contracts/bus/console';
import { graphChanged, graphHead, graphPosition } from '@polyedge/contracts/bus/feed';
import { done } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { readConfig } from '@polyedge/service-kit/config';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { tokenMaker } from '@polyedge/testkit/token-maker';
import { until } from '@polyedge/testkit/until';
import { fastify } from 'fastify';
import { startConsole } from '../src/app.ts';
import { settings } from '../src/config.ts';
import { Streams } from '../src/http/streams.ts';
import { eventText } from '../src/live/event-text.ts';

/** A console alone on a bus. */
async function startLoneConsole() {
  const bus = localBus();
  const token = tokenMaker(bus)({ tenant: 'default', roles: { console: ['admin'] } });
  bus.respond(graphPosition, async () => done({ epoch: 'e', seq: 0, oldest: 1, partitions: 8 }));
  const { mock: subscribed } = mock.method(bus, 'subscribe');
  const read = readConfig('console', settings, { POLYEDGE_MODE: 'local', PORT: '0' });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const console = await startConsole(read.config, { log: silentLog, metrics: noMetrics(), ready: () => true }, bus);
  await until('the console is ready', () => console.ready() === true);
  return {
    bus,
    /** Its subscriptions to changes and heads, those that have ended as well. */
    subscriptions: () => {
      const addresses: readonly string[] = [graphChanged.address, graphHead.address];
      return subscribed.calls.flatMap(({ arguments: [channel], result }) =>
        addresses.includes(channel.address) && result !== undefined ? [{ address: channel.address, subscription: result }] : [],
      );
    },
    get: (path: string, signal?: AbortSignal) =>
      fetch(`http://127.0.0.1:${console.port}/api/${path}`, { headers: { authorization: `Bearer ${token}` }, signal: signal ?? null }),
    [Symbol.asyncDispose]: async () => {
      await console.stop();
      await bus.close();
    },
  };
}

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

test('events that follow each other leave in one write', async (t) => {
  const streams = new Streams({ max: 1, isOver: () => false });
  const writes: (() => number)[] = [];
  const app = fastify();
  t.after(() => app.close());
  const principal: Principal = {
    ...{ account: 'a', tenant: 't', username: 'a', roles: {}, defaultScope: 's', scopes: [] },
    ...{ session: 's', app: 'a', issuedAt: 0, expiresAt: 1 },
  };
  app.get('/', (_request, reply) => {
    const { mock: written } = mock.method(reply.raw, 'write');
    writes.push(() => written.callCount());
    return streams.begin(reply, principal, ({ send }) => {
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

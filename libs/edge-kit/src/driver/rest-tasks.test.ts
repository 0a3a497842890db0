import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { graphGet, graphMutate } from '@polyedge/contracts/bus/graph';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { call, type Question, write } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import { FakeFeed } from '../testing/fake-feed.ts';
import { systemClock, Wheel } from '../wheel.ts';
import { RestTasks } from './rest-tasks.ts';

const acting = {
  who: { tenant: 't', defaultScope: 's', account: 'ann', app: 'test' },
  origin: { protocol: 'hiro', way: 'rest' },
} as const;

/** A store with something in it, and what runs tasks against it. */
function scene() {
  const network = new LocalNetwork();
  const store = network.connect();
  const feed = new FakeFeed();
  const rest = new RestTasks({ bus: network.connect(), wheel: new Wheel(systemClock), requestTimeoutMs: 5000, feed });
  store.respond(graphGet, async () => done({ epoch: 'e', seq: 7, elements: [] }));
  return { store, feed, rest };
}

/** What a store answers whose writes all succeed. */
const written = (requests: readonly unknown[], last: number): Outcome<ReplyOf<typeof graphMutate>> =>
  done({ epoch: 'e1', outcomes: requests.map(() => ({ ok: true, value: { first: last, last, operations: [] } })) });

interface Tell {
  readonly kind: 'tell';
  readonly what: string;
}

function* readTellWrite(): Task<Question | Tell, string> {
  const found = yield* call(graphGet, { tenant: 't' }, { ids: ['a'] });
  if (!found.ok) return found.failure.code;
  yield { kind: 'tell', what: `seq ${found.value.seq}` };
  const stored = yield* write('create', [{ op: 'create', type: 'ogit/Note', id: 'a', attributes: {} }]);
  return stored.ok ? `written ${stored.value.last}` : stored.failure.code;
}

test('a task runs to its end, and stops on the way at what only its own protocol can answer', async () => {
  const { store, rest } = scene();
  const origins: unknown[] = [];
  store.respond(graphMutate, async ({ requests }) => {
    origins.push(...requests.map(({ by, origin }) => [by, origin]));
    return written(requests, 9);
  });
  const work = readTellWrite();
  assert.deepEqual(await rest.advance<Tell, string>(work, acting), { done: false, value: { kind: 'tell', what: 'seq 7' } });
  assert.deepEqual(await rest.advance<Tell, string>(work, acting), { done: true, value: 'written 9' });
  assert.deepEqual(origins, [['ann', { protocol: 'hiro', way: 'rest', operation: 'create' }]]);
});

test('a write that is to be answered after its events waits until the feed has handed them out', async () => {
  const { store, feed, rest } = scene();
  store.respond(graphMutate, async ({ requests }) => written(requests, 1));
  const waits = Promise.withResolvers<(reached: boolean) => void>();
  feed.whenDelivered = (_tenant, _epoch, _seq, _timeoutMs, then) => {
    waits.resolve(then);
    return { close: () => {} };
  };
  let isAnswered = false;
  const operations = [{ op: 'create', type: 'ogit/Note', id: 'a', attributes: {} } as const];
  const writing = rest.write({ what: 'create', operations: [...operations] }, { ...acting, own: 'events-first' }).then((outcome) => {
    isAnswered = true;
    return outcome;
  });
  const handedOut = await waits.promise;
  assert.equal(isAnswered, false);
  handedOut(true);
  assert.ok((await writing).ok);
});

test('a request that must survive a restart of the store is retried until it is answered, any other is sent once', async () => {
  const { store, rest } = scene();
  let asked = 0;
  store.respond(graphPosition, async () => {
    asked += 1;
    return asked < 3 ? failed('busy') : done({ epoch: 'e', seq: 7, oldest: 1, partitions: 1 });
  });
  const once = await rest.request(graphPosition, {}, {});
  assert.ok(!once.ok && once.failure.code === 'busy');
  assert.ok((await rest.requestWithRetries(graphPosition, {}, {})).ok);
  assert.equal(asked, 3);
});

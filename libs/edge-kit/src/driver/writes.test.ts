import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { graphMutate, type Operation } from '@polyedge/contracts/bus/graph';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { until } from '@polyedge/testkit/until';
import { systemClock, Wheel } from '../wheel.ts';
import { type PendingWrite, Writes } from './writes.ts';

const written = (requests: readonly unknown[]): Outcome<ReplyOf<typeof graphMutate>> =>
  done({ epoch: 'e', outcomes: requests.map(() => ({ ok: true, value: { first: 1, last: 1, operations: [] } })) });

const write = (id: string, operation: Operation): PendingWrite => ({
  id,
  tenant: 't',
  defaultScope: 's',
  request: {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: 'ann',
    app: 'test',
    origin: { protocol: 'test', way: 'socket', operation: id },
    operations: [operation],
  },
  own: 'any',
});

test('a write that no store accepts does not take along those that were sent with it, and all are answered in their order', async () => {
  const network = new LocalNetwork();
  const store = network.connect();
  const carriedOut: string[] = [];
  store.respond(graphMutate, async ({ requests }) => {
    carriedOut.push(...requests.map(({ origin }) => origin.operation));
    return written(requests);
  });
  const answers: string[] = [];
  const writes = new Writes(network.connect(), new Wheel(systemClock), ({ write: { id }, outcome }) => {
    answers.push(`${id} ${outcome.ok ? 'ok' : outcome.failure.code}`);
  });
  const good: Operation = { op: 'update', target: { id: 'v' }, set: { a: 1 } };
  // More than a request may have, which graph-store's schema of the whole message says.
  const bad: Operation = { op: 'update', target: { id: 'v' }, set: { a: 1 }, unique: Array.from({ length: 9 }, (_, n) => `a${n}`) };
  for (const [id, operation] of Object.entries({ first: good, second: good, third: bad, fourth: good, fifth: good })) {
    writes.add(write(id, operation));
  }
  await until('all are answered', () => answers.length === 5);
  assert.deepEqual(answers, ['first ok', 'second ok', 'third invalid', 'fourth ok', 'fifth ok']);
  assert.deepEqual(carriedOut, ['first', 'second', 'fourth', 'fifth']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox, type QueuedRequest, type RequestKind } from './outbox.ts';

test('a connection that ends gives up what was sent, and of what was not only the kinds that end with it', () => {
  const outbox = new Outbox();
  const add = (ref: string, kind: RequestKind, order: number, notBefore = 0): void => {
    const item: QueuedRequest = {
      ...{ kind, id: 0, order, ref, text: '{}', deadline: Number.POSITIVE_INFINITY, repeatable: true, notBefore, failures: 0 },
      ...{ uncertain: false, sentAs: undefined, sentAt: 0, rows: [], refused: undefined },
    };
    outbox.add(item);
  };
  add('sent', 'read', 1);
  // A login that waits for its token, and a request that waits for the login.
  add('login', 'login', 2, Number.POSITIVE_INFINITY);
  add('kept', 'read', 3);
  assert.deepEqual([outbox.next(0)?.ref, outbox.next(0)], ['sent', undefined]);
  assert.deepEqual(
    outbox.lost(['login']).map(({ ref }) => ref),
    ['sent', 'login'],
  );
  assert.equal(outbox.next(0)?.ref, 'kept');
});

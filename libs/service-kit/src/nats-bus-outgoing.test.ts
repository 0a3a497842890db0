import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outgoing } from './nats-bus-outgoing.ts';

const ticked = () => new Promise((resolve) => setImmediate(resolve));

test('messages that follow a few promises later are sent together with the first, in order', async () => {
  const sent: string[] = [];
  const outgoing = new Outgoing({ publish: (subject) => void sent.push(subject) }, () => 0);
  await Promise.resolve();
  outgoing.publish('change', 'a');
  for (let promises = 0; promises < 10; promises += 1) await Promise.resolve();
  assert.deepEqual(sent, []);
  outgoing.publish('reply', 'b');
  await ticked();
  assert.deepEqual(sent, ['change', 'reply']);
  outgoing.publish('next', 'c');
  outgoing.send();
  assert.deepEqual(sent, ['change', 'reply', 'next']);
  await ticked();
  assert.deepEqual(sent, ['change', 'reply', 'next']);
});

test('a message that the library rejects is reported to its callback, and later ones are sent', async () => {
  const sent: string[] = [];
  const refused: unknown[] = [];
  const closed = new Error('closed');
  const outgoing = new Outgoing(
    {
      publish: (subject) => {
        if (subject === 'refused') throw closed;
        sent.push(subject);
      },
    },
    () => 0,
  );
  outgoing.publish('refused', 'a');
  outgoing.publish('refused', 'b', {}, (error) => refused.push(error));
  outgoing.publish('good', 'c');
  await ticked();
  assert.deepEqual(sent, ['good']);
  assert.deepEqual(refused, [closed]);
});

test('what waits is counted: what is held here for the turn, and what the library has not sent', async () => {
  let library = 0;
  const publish = (_: string, data?: Uint8Array | string): void => {
    library += data?.length ?? 0;
  };
  const outgoing = new Outgoing({ publish }, () => library);
  outgoing.publish('a', Buffer.alloc(10));
  outgoing.publish('b', Buffer.alloc(5));
  assert.equal(outgoing.bytes, 15);
  await ticked();
  assert.equal(outgoing.bytes, 15);
  library = 0;
  assert.equal(outgoing.bytes, 0);
});

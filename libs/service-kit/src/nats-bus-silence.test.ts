import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { leaveSilentServers } from './nats-bus-silence.ts';

test('a server is left when neither a message nor an answer comes from it for three turns of the timer, and not before', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  let inMsgs = 0;
  let answers = false;
  let left = 0;
  let outgoing = { waiting: 0, taken: 0 };
  const server = {
    received: () => inMsgs,
    outgoing: () => outgoing,
    ping: () => (answers ? Promise.resolve() : new Promise<void>(() => {})),
    leave: () => {
      left += 1;
      return Promise.resolve();
    },
  };
  let is = true;
  const stop = leaveSilentServers(
    server,
    () => is,
    () => {},
  );
  /** The microtasks of answers come between two turns, as what a socket has received does. */
  const turns = async (count: number, each = (): void => {}): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) {
      each();
      mock.timers.tick(500);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  answers = true;
  await turns(10);
  assert.equal(left, 0, 'it answers');
  answers = false;
  await turns(10, () => {
    inMsgs += 1;
  });
  assert.equal(left, 0, 'it sends what was asked before, and the answer behind that');
  outgoing = { waiting: 1_000, taken: 0 };
  await turns(10, () => {
    outgoing = { waiting: 1_000, taken: outgoing.taken + 1 };
  });
  assert.equal(left, 0, 'it reads what was sent before the ping');
  is = false;
  outgoing = { waiting: 0, taken: 0 };
  await turns(10);
  assert.equal(left, 0, 'there is no server to leave');
  is = true;
  await turns(2, () => {
    // What the operating system takes while nothing waits says nothing about the server.
    outgoing = { waiting: 0, taken: outgoing.taken + 1 };
  });
  assert.equal(left, 0);
  await turns(1);
  assert.equal(left, 1);
  stop();
  await turns(10);
  assert.equal(left, 1);
});

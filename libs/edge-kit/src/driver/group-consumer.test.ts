import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { Packet } from '../transport/wire.ts';
import type { MemberHandler } from './consumer-groups.ts';
import { GroupConsumer, MAX_AWAITED_PONGS } from './group-consumer.ts';

/** A member that is shown everything, and what it asked to be confirmed. */
function member() {
  const taken: number[] = [];
  const pings: (() => void)[] = [];
  let handler: MemberHandler | undefined;
  const joined = new GroupConsumer<Packet>(
    { do: 'join', id: 'g', group: { tenant: 't', name: 'g', start: 'largest' }, view: { shape: 's', filter: { all: [] } } },
    {
      groups: {
        join: (_group, taking) => {
          handler = taking;
          return { leave: () => {} };
        },
      },
      // Nothing of a change is looked at here.
      frames: { of: (changes) => ({ count: changes.length, packets: [{ bytes: 1 }] }) },
      now: () => pings.length,
      client: () => ({ address: '127.0.0.1', since: 0 }),
      push: () => {},
      ping: (then) => pings.push(then),
      lost: () => assert.fail('the membership was not lost'),
    },
  );
  let given = 0;
  return {
    joined,
    taken,
    pings,
    /** One batch of one change, in a turn of its own. */
    give: async () => {
      const number = given;
      given += 1;
      handler?.batch([{} as FullChange], () => taken.push(number), false); // see above
      await Promise.resolve();
    },
  };
}

test('a member has few pings under way, and the next one confirms all that was shown meanwhile', async () => {
  const { taken, pings, give, joined } = member();
  for (let batch = 0; batch < 100; batch += 1) await give();
  assert.equal(pings.length, MAX_AWAITED_PONGS, 'a client that is busy finds no more than these when it reads again');
  assert.equal(joined.unansweredSince, 0);
  pings[0]?.();
  assert.deepEqual(taken, [0]);
  assert.equal(pings.length, MAX_AWAITED_PONGS + 1);
  for (let at = 1; at < pings.length; at += 1) pings[at]?.();
  assert.deepEqual(
    taken,
    Array.from({ length: 100 }, (_, batch) => batch),
  );
  assert.equal(pings.length, MAX_AWAITED_PONGS + 1, 'nothing was left to confirm');
  assert.equal(joined.unansweredSince, undefined);
  await give();
  assert.equal(pings.length, MAX_AWAITED_PONGS + 2);
});

test('what waits for a ping counts as taken when written is enough', async () => {
  const { taken, give, joined } = member();
  for (let batch = 0; batch < MAX_AWAITED_PONGS + 5; batch += 1) await give();
  joined.trustWritten();
  assert.equal(taken.length, MAX_AWAITED_PONGS + 5);
});

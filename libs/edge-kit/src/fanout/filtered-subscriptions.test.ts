import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { stateBefore } from '@polyedge/contracts/change';
import type { Interest } from '@polyedge/contracts/interest';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import fc from 'fast-check';
import type { Feed, WatchHandler } from '../feed/watch.ts';
import type { Packet } from '../transport/wire.ts';
import { ChangeCache } from './change-cache.ts';
import { FilteredSubscriptions } from './filtered-subscriptions.ts';

const stamp = { on: 0, by: '', app: '' };

/** A feed of one interest, told by hand. */
function feed(): { readonly feed: Feed; readonly watches: WatchHandler[] } {
  const watches: WatchHandler[] = [];
  return {
    watches,
    feed: {
      watch: (_interest: Interest, handler) => {
        watches.push(handler);
        return { close: () => void watches.splice(watches.indexOf(handler), 1) };
      },
      whenDelivered: () => ({ close: () => {} }),
    },
  };
}

function changed(seq: number, id: string, before: number | undefined, after: number): FullChange {
  const state = {
    ...{
      tenant: 't',
      id,
      kind: 'vertex',
      type: 'p',
      scope: 's',
      attributes: { n: after },
      version: seq,
      seq,
      created: stamp,
      modified: stamp,
    },
    deleted: false,
  } as const;
  const undo =
    before === undefined
      ? { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false }
      : { set: { n: before }, unset: [], version: seq - 1, seq: seq - 1, deleted: false };
  return {
    ...{
      seq,
      epoch: 'e',
      tenant: 't',
      id,
      kind: 'vertex',
      type: 'p',
      scope: 's',
      owners: [id],
      action: 'update',
      version: seq,
      on: 0,
      by: '',
      app: '',
    },
    ...{ origin: { protocol: 'x', way: 'job', operation: 'x' }, operationId: 'o', first: seq, last: seq, state, undo },
  } as FullChange; // every key is there; the spreads lose the literals
}

const interest = { tenant: 't', type: 'p' };
const cache = new ChangeCache<Packet>({ frame: () => undefined });
const filter = fc.oneof(
  fc.nat(4).map((value): Filter => ({ test: 'equal', path: ['attributes', 'n'], value })),
  fc.nat(4).map((value): Filter => ({ test: 'more', path: ['attributes', 'n'], value })),
);

test('each subscription gets exactly the changes whose state before or after matches, in order, with the result for both states', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('join' as const), where: filter }),
    fc.record({ do: fc.constant('leave' as const), which: fc.nat(10) }),
    fc.record({ do: fc.constant('change' as const), before: fc.option(fc.nat(4), { nil: undefined }), after: fc.nat(4) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { feed: source, watches } = feed();
      const subscriptions = new FilteredSubscriptions(source, cache);
      const members: { heard: string[]; expected: string[]; where: Filter; watch: { close(): void }; open: boolean }[] = [];
      let seq = 0;
      for (const one of steps) {
        if (one.do === 'join') {
          const heard: string[] = [];
          const watch = subscriptions.watch(interest, one.where, {
            live: () => {},
            change: ({ seq }, { before, was, is }) => heard.push(`${seq} from ${before?.attributes.n} ${was} ${is}`),
            lost: () => {},
          });
          members.push({ heard, expected: [], where: one.where, watch, open: true });
          if (watches.length === 1 && members.filter(({ open }) => open).length === 1) watches[0]?.live(seq, 'e');
        } else if (one.do === 'leave') {
          const member = members[one.which];
          if (member === undefined) continue;
          member.watch.close();
          member.open = false;
        } else {
          seq += 1;
          const change = changed(seq, 'x', one.before, one.after);
          const before = stateBefore(change.state, change.undo);
          for (const { where, open, expected } of members) {
            const matches = compile(where);
            const was = before !== undefined && matches(before);
            const is = matches(change.state);
            if (open && (was || is)) expected.push(`${seq} from ${before?.attributes.n} ${was} ${is}`);
          }
          watches[0]?.change(change);
        }
      }
      for (const { heard, expected } of members) assert.deepEqual(heard, expected);
      assert.equal(watches.length, members.some(({ open }) => open) ? 1 : 0);
    }),
  );
});

test('a change is delivered to its watchers in the order in which they subscribed, and an ended watch is reported once', () => {
  const { feed: source, watches } = feed();
  const subscriptions = new FilteredSubscriptions(source, cache);
  const order: string[] = [];
  const where: Filter = { test: 'equal', path: ['attributes', 'n'], value: 1 };
  const join = (name: string, filtered: Filter): void => {
    subscriptions.watch(interest, filtered, { live: () => {}, change: () => order.push(name), lost: () => order.push(`${name} lost`) });
  };
  join('one', { all: [] });
  join('two', where);
  join('three', { all: [] });
  watches[0]?.live(0, 'e');
  watches[0]?.change(changed(1, 'x', undefined, 1));
  assert.deepEqual(subscriptions.size, { interests: 1, members: 3, groups: 2 });
  watches[0]?.lost({ code: 'lost' });
  assert.deepEqual(order, ['one', 'two', 'three', 'one lost', 'two lost', 'three lost']);
  assert.deepEqual(subscriptions.size, { interests: 0, members: 0, groups: 0 });
});

test('who joins later is told the epoch of the watch, also after a change that was committed in an earlier one', () => {
  const { feed: one, watches } = feed();
  const subscriptions = new FilteredSubscriptions(one, cache);
  const where: Filter = { test: 'equal', path: ['attributes', 'n'], value: 1 };
  const told: string[] = [];
  const handler = { live: (seq: number, epoch: string) => void told.push(`${seq} of ${epoch}`), change: () => {}, lost: () => {} };
  subscriptions.watch(interest, where, handler);
  watches[0]?.live(0, 'later');
  watches[0]?.change(changed(1, 'a', undefined, 1));
  subscriptions.watch(interest, where, handler);
  assert.deepEqual(told, ['0 of later', '1 of later']);
});

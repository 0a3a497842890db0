import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done, failed } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { Bus } from '@polyedge/service-kit/bus';
import { Arrivals } from './arrivals.ts';
import type { WatchHandler } from './watch.ts';

const INTEREST: Interest = { tenant: 't' };

/** A feed that has passed a position when it is told so, and the journal's answers to where it is. */
function world(answers: readonly (number | 'away')[]) {
  const log: string[] = [];
  const passed: ((reached: boolean) => void)[] = [];
  const left = [...answers];
  const feed = {
    watch: () => {
      log.push('begins');
      return { close: () => void log.push('closes') };
    },
    whenDelivered: (_tenant: string, epoch: string, seq: number, _ms: number, callback: (reached: boolean) => void) => {
      log.push(`waits for ${seq} of ${epoch}`);
      passed.push(callback);
      return { close: () => {} };
    },
  };
  const request = async () => {
    const seq = left.shift();
    return typeof seq === 'number' ? done({ epoch: 'e', seq, oldest: 0 }) : failed('unavailable');
  };
  const handler: WatchHandler = { live: () => {}, change: () => {}, lost: ({ code }) => void log.push(`lost: ${code}`) };
  return { log, passed, feed, bus: { request } as unknown as Pick<Bus, 'request'>, handler };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};
const newArrivals = (): Arrivals =>
  new Arrivals((_ms, work) => {
    queueMicrotask(work);
    return () => {};
  });

test('a watch begins when the feed has passed where the journal was when its tenant came, and not when it is closed before', async () => {
  const { log, passed, feed, bus, handler } = world(['away', 7, 9]);
  const arrivals = newArrivals();
  assert.equal(arrivals.watch(INTEREST, handler), undefined);
  arrivals.moved('t', feed, bus);
  arrivals.watch(INTEREST, handler);
  arrivals.watch(INTEREST, handler)?.close();
  assert.equal(arrivals.watch({ tenant: 'other' }, handler), undefined);
  assert.ok(arrivals.awaits(feed));
  await turns();
  assert.deepEqual(log, ['waits for 7 of e']);
  passed[0]?.(false);
  await turns();
  passed[1]?.(true);
  await turns();
  assert.deepEqual(log, ['waits for 7 of e', 'waits for 9 of e', 'begins']);
  assert.equal(arrivals.watch(INTEREST, handler), undefined);
  assert.ok(!arrivals.awaits(feed));
});

test('a feed that is closed before it has passed is not waited for', async () => {
  const { log, feed, bus, handler } = world([7]);
  const arrivals = newArrivals();
  arrivals.moved('t', feed, bus);
  await turns();
  arrivals.closed(world([]).feed);
  arrivals.watch(INTEREST, handler)?.close();
  arrivals.closed(feed);
  assert.equal(arrivals.watch(INTEREST, handler), undefined);
  assert.deepEqual(log, ['waits for 7 of e']);
});

test('a watch that waits is lost when its tenant moves on, and none begins after the end', async () => {
  const { log, passed, feed, bus, handler } = world([7, 9]);
  const arrivals = newArrivals();
  arrivals.moved('t', feed, bus);
  arrivals.watch(INTEREST, handler);
  await turns();
  arrivals.moved('t', undefined, bus);
  assert.equal(arrivals.watch(INTEREST, handler), undefined);
  arrivals.moved('t', feed, bus);
  const watch = arrivals.watch(INTEREST, handler);
  await turns();
  passed[0]?.(true);
  await turns();
  passed[1]?.(true);
  await turns();
  watch?.close();
  assert.deepEqual(log, ['waits for 7 of e', 'lost: lost', 'waits for 9 of e', 'begins', 'closes']);
  arrivals.moved('t', feed, bus);
  arrivals.watch(INTEREST, handler);
  arrivals.close();
  await turns();
  for (const pass of passed) pass(true);
  await turns();
  assert.equal(log.filter((line) => line === 'begins').length, 1);
});

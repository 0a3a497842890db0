import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LiveEvent, LiveEventName } from './live-event.ts';
import { MergedEvents, PENDING_LIMITS } from './merged-events.ts';

const liveEvent = (event: LiveEventName, id: string, version: number): LiveEvent => ({
  event,
  id,
  payload: `"${version}"`,
  version,
  passport: '[]',
});

/** What a client has: each resource with its newest payload. */
function follow(has: Map<string, string>, { event, id, payload }: LiveEvent): void {
  const enters = event === 'match created' || event === 'match added';
  assert.equal(has.has(id), !enters, `${event} makes sense`);
  if (event === 'match dropped' || event === 'match deleted') has.delete(id);
  else has.set(id, payload);
}

test('gooduncle:F45 merged events say the same as all of them, and each makes sense by itself', () => {
  const step = fc.record({ id: fc.constantFrom('a', 'b', 'c'), kind: fc.nat(2), flush: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const pending = new MergedEvents({ bytes: 0 });
      const exact = new Map<string, string>();
      const merged = new Map<string, string>();
      const living = new Set<string>();
      for (const [at, { id, kind, flush }] of steps.entries()) {
        // The row of this id is: there and matching, there and not, or not there.
        const event: LiveEventName | undefined = exact.has(id)
          ? (['match modified', 'match dropped', 'match deleted'] as const)[kind]
          : living.has(id)
            ? kind === 2
              ? undefined
              : 'match added'
            : 'match created';
        if (kind === 2) living.delete(id);
        else living.add(id);
        if (event === undefined) continue;
        if (event === 'match created') living.add(id);
        const one = liveEvent(event, id, at);
        follow(exact, one);
        pending.add(one);
        if (flush) for (const waiting of [...pending.ids()]) for (const told of pending.take(waiting)) follow(merged, told);
      }
      for (const waiting of [...pending.ids()]) for (const told of pending.take(waiting)) follow(merged, told);
      assert.deepEqual(merged, exact);
    }),
  );
});

test('gooduncle:F45 more than ten thousand resources, or four megabytes, are too many to keep', () => {
  const many = new MergedEvents({ bytes: 0 });
  for (let at = 0; at <= PENDING_LIMITS.ids; at += 1) many.add(liveEvent('match created', `${at}`, at));
  assert.equal(many.overflows, true);
  const large = new MergedEvents({ bytes: 0 });
  large.add({ ...liveEvent('match created', 'a', 1), payload: 'x'.repeat(PENDING_LIMITS.bytes) });
  assert.equal(large.overflows, true);
  large.take('a');
  assert.equal(large.overflows, false);
});

test('the subscriptions of a session share what may be kept for its client', () => {
  const kept = { bytes: 0 };
  const ones = Array.from({ length: 5 }, () => new MergedEvents(kept));
  const each = PENDING_LIMITS.bytes - 1000;
  for (const [at, one] of ones.entries()) {
    one.add({ ...liveEvent('match modified', 'r1', 1), payload: 'x'.repeat(each) });
    assert.equal(one.overflows, at === 4, `subscription ${at}`);
  }
  ones[4]?.clear();
  assert.equal(ones[3]?.overflows, false);
  ones[3]?.take('r1');
  for (const one of ones) one.clear();
  assert.equal(kept.bytes, 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { MAX_REBALANCING } from './edge-state.ts';
import { GroupsMachine } from './machine.ts';
import type { GroupCall, GroupsEffect } from './messages.ts';
import { GROUP_TIMES } from './settings.ts';

const EDGE = 'e';
const MEMBER = 'e.1';

/** A machine with one member of one group, whose calls a store and a Redis of the test's own answer at once. */
class World {
  readonly machine = new GroupsMachine({ edge: EDGE, times: GROUP_TIMES, offsetMode: 'kafka' });
  readonly calls: GroupCall[] = [];
  readonly lost: GroupsEffect[] = [];
  /** The id under which the store knows the group. */
  id = 1;
  /** Partitions that another owner holds. */
  held: readonly number[] = [];
  /** Redis does not answer; the store does. */
  redisAway = false;
  /** The newest change, in partition 0. */
  newest = 0;
  readonly delivered: number[] = [];
  /** How much was delivered at each partition that the member acquired. */
  readonly taken: number[] = [];
  #at = 0;

  handle(input: Parameters<GroupsMachine['handle']>[0]): void {
    const effects = [...this.machine.handle(input, this.#at)];
    for (let effect = effects.shift(); effect !== undefined; effect = effects.shift()) {
      if (effect.do === 'lost') this.lost.push(effect);
      if (effect.do === 'taken') this.taken.push(this.delivered.length);
      if (effect.do === 'deliver') this.#deliver(effect);
      if (effect.do !== 'call') continue;
      this.calls.push(effect.call);
      effects.push(...this.machine.handle({ kind: 'reply', id: effect.id, outcome: this.answer(effect.call) }, this.#at));
    }
  }

  pass(ms: number): void {
    for (const end = this.#at + ms; this.#at < end; ) {
      this.#at += GROUP_TIMES.tickMs;
      this.handle({ kind: 'tick' });
    }
  }

  write(): void {
    this.newest += 1;
    this.handle({ kind: 'announced', epoch: 'x', seq: this.newest });
  }

  /** The member confirms at once. */
  #deliver({ member, batch, changes }: Extract<GroupsEffect, { do: 'deliver' }>): void {
    this.delivered.push(...changes.map(({ seq }) => seq));
    this.handle({ kind: 'ack', member, batch, confirmed: true });
  }

  answer(call: GroupCall): Outcome<unknown> {
    if (this.redisAway && !['open', 'claim', 'commit', 'position'].includes(call.call))
      return failed('unavailable', 'Redis does not answer');
    switch (call.call) {
      case 'open':
        return done({ id: this.id, created: true, epoch: 'x', partitions: 2 });
      case 'list':
        return done({ added: 0, count: 1 });
      case 'members':
        return done(new Map([[MEMBER, EDGE]]));
      case 'take':
        return done(
          call.requests.map(({ partition }) =>
            this.held.includes(partition) ? { partition, is: 'held', leftMs: 1000 } : { partition, is: 'taken', fence: 1, position: 0 },
          ),
        );
      case 'claim':
        if (call.group !== this.id) return failed('not-found', 'the group has expired');
        return done({ claims: call.claims.map((claim) => ({ ...claim, position: 0, taken: true })) });
      case 'commit': {
        const groups = [...call.positions.map(({ group }) => group), ...call.touched];
        return done({ fenced: [], gone: groups.filter((group) => group !== this.id) });
      }
      case 'hold':
        return done([]);
      case 'read':
        if (call.partition !== 0) return done({ items: [], to: call.after });
        return done({
          items: Array.from({ length: this.newest - call.after }, (_, at) => {
            const seq = call.after + at + 1;
            return { seq, change: { seq, tenant: 't' } as FullChange, bytes: 100 };
          }),
          to: this.newest,
        });
      case 'end':
        return done(0);
      default:
        return done(undefined);
    }
  }
}

function joined(held: readonly number[] = []): World {
  const world = new World();
  world.held = held;
  world.handle({ kind: 'join', member: MEMBER, tenant: 't', name: 'g', start: 'largest' });
  return world;
}

const GROUP = JSON.stringify(['t', 'g']);

test('an edge that is notified about a group queries the store soon, and ends its members if it was created again', () => {
  const world = joined();
  world.pass(GROUP_TIMES.commitMs + GROUP_TIMES.tickMs);
  const before = world.calls.length;
  world.id = 2;
  world.pass(2 * GROUP_TIMES.commitMs);
  assert.deepEqual(world.lost, [], 'nobody said anything, and a minute has not passed');
  world.handle({ kind: 'moved', group: GROUP });
  world.pass(GROUP_TIMES.commitMs + GROUP_TIMES.tickMs);
  assert.ok(world.calls.slice(before).some((call) => call.call === 'commit' && call.touched.includes(1)));
  assert.equal(world.lost.length, 1);
});

test('confirmations of a group never count for another one of the same name', () => {
  const world = joined([1]);
  assert.equal(world.machine.views()[0]?.partitions.length, 1);
  // The group is reset while this edge owns one partition of the old one and gets the lease of the other.
  world.id = 2;
  world.held = [];
  world.handle({ kind: 'moved', group: GROUP });
  assert.equal(world.lost.length, 1);
  assert.deepEqual(world.machine.views(), []);
  assert.ok(!world.calls.some((call) => call.call === 'commit' && call.positions.some(({ group }) => group === 2)));
});

test('a member is told of each partition that it acquires, before anything of it is delivered', () => {
  const world = joined([0]);
  world.write();
  assert.deepEqual([world.taken, world.delivered], [[0], []]);
  world.held = [];
  world.handle({ kind: 'moved', group: GROUP });
  assert.deepEqual([world.taken, world.delivered], [[0, 0], [1]]);
});

test('while Redis does not answer a group stands still; afterwards it continues with the same owners and misses nothing', () => {
  const world = joined();
  world.write();
  world.pass(GROUP_TIMES.refreshMs);
  assert.deepEqual(world.delivered, [1]);
  const owned = () => world.machine.views()[0]?.partitions.map(({ partition, fence }) => [partition, fence]);
  const before = owned();
  assert.equal(before?.length, 2);
  world.redisAway = true;
  world.write();
  // Longer than any lease.
  world.pass(3 * GROUP_TIMES.termMs);
  assert.deepEqual([world.delivered, owned()], [[1], before]);
  world.redisAway = false;
  world.handle({ kind: 'reconnected' });
  world.write();
  world.pass(GROUP_TIMES.refreshMs);
  assert.deepEqual([world.delivered, owned(), world.lost], [[1, 2, 3], before, []]);
});

test('an edge that takes over hundreds of groups asks the store for a few at a time, and for each once', () => {
  const COUNT = 300;
  const world = new World();
  const machine = new GroupsMachine({ edge: EDGE, times: GROUP_TIMES, offsetMode: 'kafka' });
  const waiting: Extract<GroupsEffect, { do: 'call' }>[] = [];
  const opened: string[] = [];
  let most = 0;
  const handle = (input: Parameters<GroupsMachine['handle']>[0]): void => {
    for (const effect of machine.handle(input, 0)) {
      if (effect.do !== 'call') continue;
      waiting.push(effect);
      if (effect.call.call === 'open') opened.push(effect.call.name);
    }
    most = Math.max(most, waiting.filter(({ call }) => call.call === 'open' || call.call === 'claim').length);
  };
  for (let at = 0; at < COUNT; at += 1) handle({ kind: 'join', member: `${EDGE}.${at}`, tenant: 't', name: `g${at}`, start: 'largest' });
  // Some leave before it is their turn, and while they have it.
  for (const at of [3, 200]) handle({ kind: 'leave', member: `${EDGE}.${at}` });
  const answer = (call: GroupCall): Outcome<unknown> => {
    if (call.call === 'open') return done({ id: Number(call.name.slice(1)), created: false, epoch: 'x', partitions: 2 });
    if (call.call === 'members') return done(new Map([[`${EDGE}.${call.group}`, EDGE]]));
    if (call.call === 'claim') return done({ claims: call.claims.map((claim) => ({ ...claim, position: 0, taken: true })) });
    return world.answer(call);
  };
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    handle({ kind: 'reply', id: next.id, outcome: answer(next.call) });
  }
  // One that left had its request on the way.
  assert.equal(most, MAX_REBALANCING + 1);
  assert.equal(opened.length, COUNT - 1);
  assert.equal(new Set(opened).size, COUNT - 1);
  const views = machine.views();
  assert.equal(views.length, COUNT - 2);
  assert.ok(views.every(({ partitions }) => partitions.length === 2));
});

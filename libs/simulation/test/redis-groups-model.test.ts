import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { connectRedis } from '@polyedge/journal/redis';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { RedisGroupsModel } from '../src/redis-groups-model.ts';
import { Chance } from '../src/virtual-time.ts';

const CALLS = 600;
/** Far enough from any time that a run takes, or short enough to be over: the two clocks need not agree to the millisecond. */
const TERMS = [60_000, 0] as const;

test('the model of Redis answers every call as Redis does', async () => {
  // Its own: a graph-store removes from Redis what belongs to another history than its.
  await using server = await startRedis();
  const redis = connectRedis({ url: server.url, name: 'test', onError: () => {} });
  await new Promise((resolve) => redis.once('ready', resolve));
  const chance = new Chance(Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)));
  const real = new GroupRedis(redis, `test-${randomBytes(6).toString('hex')}`);
  const model = new RedisGroupsModel(() => Date.now());
  const held = new Map<number, number>();
  try {
    for (let call = 0; call < CALLS; call += 1) {
      const group = 1 + chance.below(2);
      const [member, edge] = [`m${chance.below(5)}`, `e${chance.below(3)}`];
      const partition = chance.below(3);
      const both = async (name: string, ofReal: Promise<unknown>, ofModel: unknown): Promise<void> =>
        assert.deepEqual(await ofReal, ofModel, `${name}, call ${call} under seed ${chance.seed}`);
      switch (chance.below(9)) {
        case 0:
          await both('join', real.join(group, edge, [member]), model.join(group, edge, [member]));
          break;
        case 1:
          await both('leave', real.leave(group, [member]), model.leave(group, [member]));
          break;
        case 2:
          await both('members', real.members(group), model.members(group));
          break;
        case 3:
          await both('beat', real.beat(edge, 60_000), model.beat(edge, 60_000));
          await both('alive', real.alive(['e0', 'e1', 'e2']), model.alive(['e0', 'e1', 'e2']));
          break;
        case 4: {
          const term = chance.of(TERMS) ?? 0;
          const wanted = [{ partition, above: chance.below(4) }];
          const [taken] = await real.take(group, member, term, 0, wanted);
          const [modelled] = model.take(group, member, term, 0, wanted);
          // How long a lease is held still is the one thing that takes time.
          if (taken?.is === 'held' && modelled?.is === 'held') assert.ok(Math.abs(taken.leftMs - modelled.leftMs) < 5000);
          else assert.deepEqual(taken, modelled, `take, call ${call} under seed ${chance.seed}`);
          if (taken?.is === 'taken') held.set(partition, taken.fence);
          break;
        }
        case 5: {
          const what = chance.of(['renew', 'save', 'release'] as const) ?? 'save';
          const fence = Math.max(1, (held.get(partition) ?? 1) - chance.below(2));
          const owned = [{ partition, fence, position: chance.below(100) }];
          await both(what, real.hold(group, what, 60_000, owned), model.hold(group, what, 60_000, owned));
          break;
        }
        case 6:
          await both('positions', real.positions(group, 4), model.positions(group, 4));
          break;
        case 7:
          if (chance.percent(20)) await both('remove', real.remove(group), model.remove(group));
          else if (chance.percent(25)) await both('endLeases', real.endLeases(group), model.endLeases(group));
          break;
        default:
          await both('leases', real.leases(group), model.leases(group));
      }
    }
  } finally {
    redis.disconnect();
  }
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { HotJournal } from '@polyedge/journal/hot-journal';
import { connectRedis } from '@polyedge/journal/redis';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { HotJournalModel } from '../src/hot-journal-model.ts';
import { Chance } from '../src/virtual-time.ts';

const CALLS = 800;

test('the model of the hot journal answers every call as the scripts in Redis do', async () => {
  // Its own: a graph-store removes from Redis what belongs to another history than its.
  await using server = await startRedis();
  const redis = connectRedis({ url: server.url, name: 'test', onError: () => {} });
  await new Promise((resolve) => redis.once('ready', resolve));
  const chance = new Chance(Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)));
  const real = new HotJournal(redis, `test-${randomBytes(6).toString('hex')}`);
  const model = new HotJournalModel();
  const tally = new Map<string, number>();
  let seq = 0;
  const bodies = () =>
    Array.from({ length: chance.below(4) }, () => {
      seq += 1 + chance.below(2);
      return { seq, json: `{"n":${seq}}` };
    });
  /** Where the last of what was filled stands, by partition and generation. */
  const filled = new Map<string, number>();
  try {
    for (let call = 0; call < CALLS; call += 1) {
      const partition = chance.below(2);
      // Mostly the fence in force, sometimes one that is not.
      const fence = Math.max(1, 1 + Math.floor(call / 100) - (chance.percent(10) ? 1 : 0));
      const state = model.state(partition);
      const next = state.generation + 1;
      const wrong = chance.percent(10) ? 1 : 0;
      const both = async (name: string, ofReal: Promise<unknown>, ofModel: unknown): Promise<void> => {
        const answer = await ofReal;
        assert.deepEqual(answer, ofModel, `${name}, call ${call} under seed ${chance.seed}`);
        const is = typeof answer === 'string' ? answer : name;
        tally.set(is, (tally.get(is) ?? 0) + 1);
      };
      switch (chance.below(8)) {
        case 0:
          await both('claim', real.claim(partition, fence), model.claim(partition, fence));
          break;
        case 1:
        case 2: {
          const known = { ...state, last: state.last + wrong };
          const [head, changes] = [seq, bodies()];
          const appended = real.append(fence, head, 0, [{ partition, state: known, changes }]).then(([is]) => is);
          await both('append', appended, model.append(partition, fence, known, head, 0, changes));
          break;
        }
        case 3:
          await both('clear', real.clear(partition, fence, next), model.clear(partition, fence, next));
          filled.delete(`${partition}.${next}`);
          break;
        case 4: {
          const after = filled.get(`${partition}.${next}`) ?? Math.max(0, seq - 5);
          const changes = bodies();
          const was = model.fill(partition, fence, next, after, changes);
          await both('fill', real.fill(partition, fence, next, after, changes), was);
          if (was === 'filled') filled.set(`${partition}.${next}`, changes.at(-1)?.seq ?? after);
          break;
        }
        case 5: {
          if (!chance.percent(30)) break;
          const switched = { generation: next, last: (filled.get(`${partition}.${next}`) ?? 0) + wrong, head: seq };
          await both('switch', real.switchTo(partition, fence, switched, 2), model.switchTo(partition, fence, switched, 2));
          break;
        }
        case 6: {
          const [generation, after] = [state.generation + wrong, chance.below(seq + 2)];
          await both('read', real.read(partition, generation, after, 5), model.read(partition, generation, after, 5));
          break;
        }
        default:
          await both('newest', real.newest(partition), model.newest(partition));
      }
    }
  } finally {
    redis.disconnect();
  }
  for (const is of ['appended', 'differs', 'fenced', 'filled', 'forgot', 'switched']) assert.ok((tally.get(is) ?? 0) > 0, `never ${is}`);
});

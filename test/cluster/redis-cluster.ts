/** A Redis Cluster of three primaries with a replica each: one primary after the other is killed, replaced by its replica, and comes back as that one's. */
import { startRedisCluster } from '@polyedge/testkit/servers/redis-cluster';
import type { Ground } from '../kill/rounds.ts';
import { startSystem } from '../kill/system.ts';
import { addressed } from './addressed.ts';
import { longestSilence } from './silence.ts';

const WITHIN_MS = 60_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function redisClusterGround(told: (what: string, withoutMs: number) => void, short = false): Ground {
  let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
  return {
    startsOver: false,
    async start() {
      const parts = new AsyncDisposableStack();
      cluster = parts.use(await startRedisCluster());
      const [first] = cluster.servers;
      if (first === undefined) throw new Error('the cluster has no server');
      return startSystem(2, true, { redis: addressed(first, cluster.url, parts) });
    },
    async faults(random, _round, begins, acknowledged) {
      await pause(random.integer(500, 2000));
      if (!short) told('nothing, for 3 s', await longestSilence(acknowledged, () => pause(3000)));
      for (const killed of random.shuffled(await cluster.primaries()).slice(0, short ? 1 : undefined)) {
        begins('  kill a primary of a Redis Cluster');
        const silence = await longestSilence(acknowledged, async () => {
          await killed.kill();
          const deadline = performance.now() + WITHIN_MS;
          for (let replaced = false; !replaced; await pause(50)) {
            const primaries = await cluster.primaries();
            replaced = primaries.length === 3 && !primaries.includes(killed);
            if (performance.now() > deadline) throw new Error(`no replica took over within ${WITHIN_MS} ms`);
          }
          // Writers go on for a while on the new one.
          await pause(random.integer(200, 1000));
        });
        told('kill a primary of a Redis Cluster', silence);
        await killed.restart();
        await cluster.whole();
      }
    },
  };
}

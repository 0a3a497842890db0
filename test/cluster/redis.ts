/** A Redis primary with a replica, and three Sentinels that agree who is primary: the primary is killed, and comes back as a replica. */
import { connectRedis } from '@polyedge/journal/redis';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startSentinel } from '@polyedge/testkit/servers/sentinel';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import type { Ground } from '../kill/rounds.ts';
import { startSystem } from '../kill/system.ts';
import { addressed } from './addressed.ts';
import { longestSilence } from './silence.ts';

const NAME = 'polyedge';
const SENTINELS = 3;
const WITHIN_MS = 60_000;

/** The port of the primary that a Sentinel knows. */
async function primaryOf(sentinel: RunningServer): Promise<number> {
  const client = connectRedis({ url: sentinel.url, name: 'cluster-test', onError: () => {} });
  try {
    await new Promise((resolve) => client.once('ready', resolve));
    const [, port] = (await client.call('sentinel', 'get-master-addr-by-name', NAME)) as [string, string];
    return Number(port);
  } finally {
    client.disconnect();
  }
}

export function redisGround(told: (what: string, withoutMs: number) => void, short = false): Ground {
  let servers: readonly RunningServer[] = [];
  let sentinels: readonly RunningServer[] = [];
  return {
    startsOver: false,
    async start() {
      const parts = new AsyncDisposableStack();
      const primary = parts.use(await startRedis());
      const replica = parts.use(await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] }));
      servers = [primary, replica];
      sentinels = await Promise.all(
        Array.from({ length: SENTINELS }, async () => parts.use(await startSentinel({ name: NAME, primary: primary.port, quorum: 2 }))),
      );
      const url = `redis://${NAME}?${sentinels.map(({ port }) => `sentinel=127.0.0.1:${port}`).join('&')}`;
      return startSystem(2, true, { redis: addressed(primary, url, parts) });
    },
    async faults(random, _round, begins, acknowledged) {
      const [first] = sentinels;
      if (first === undefined) throw new Error('there is no Sentinel');
      // They must know the replica and each other before they can agree on a primary.
      await new Promise((resolve) => setTimeout(resolve, random.integer(2500, 4000)));
      const before = await primaryOf(first);
      const killed = servers.find(({ port }) => port === before);
      if (killed === undefined) throw new Error(`nobody is at ${before}`);
      if (!short) told('nothing, for 3 s', await longestSilence(acknowledged, () => new Promise((resolve) => setTimeout(resolve, 3000))));
      begins('  kill the Redis primary');
      const silence = await longestSilence(acknowledged, async () => {
        await killed.kill();
        const deadline = performance.now() + WITHIN_MS;
        while ((await primaryOf(first)) === before) {
          if (performance.now() > deadline) throw new Error(`the Sentinels chose nobody within ${WITHIN_MS} ms`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      });
      told('kill the Redis primary', silence);
      await killed.restart();
    },
  };
}

/** Three NATS servers with routes to each other: each is killed once, one is stopped, and one is told to leave (lame duck). */
import { spawnSync } from 'node:child_process';
import { natsProgram, programPath } from '@polyedge/testkit/servers/find-program';
import { freePort } from '@polyedge/testkit/servers/free-port';
import { startNats } from '@polyedge/testkit/servers/nats';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import type { Ground } from '../kill/rounds.ts';
import { startSystem } from '../kill/system.ts';
import { addressed } from './addressed.ts';
import { longestSilence } from './silence.ts';

const SIZE = 3;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function natsGround(told: (what: string, withoutMs: number) => void): Ground {
  let servers: readonly RunningServer[] = [];
  return {
    startsOver: false,
    async start() {
      const parts = new AsyncDisposableStack();
      const routes = await Promise.all(Array.from({ length: SIZE }, () => freePort()));
      servers = await Promise.all(
        routes.map(async (port) => {
          const others = routes.filter((other) => other !== port).map((other) => `nats-route://127.0.0.1:${other}`);
          // What a server that leaves takes to send its clients away is at least half a minute; it is killed before.
          const leaving = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"';
          const config = `cluster { name: polyedge, listen: "127.0.0.1:${port}", routes: [${others.map((one) => `"${one}"`).join(', ')}] }\n${leaving}`;
          return parts.use(await startNats({ config }));
        }),
      );
      const [first] = servers;
      if (first === undefined) throw new Error('no NATS server was started');
      return startSystem(2, true, { nats: addressed(first, servers.map(({ url }) => url).join(','), parts) });
    },
    async faults(random, _round, begins, acknowledged) {
      for (const server of random.shuffled(servers)) {
        begins('  kill a NATS server of three');
        told('kill a NATS server', await longestSilence(acknowledged, () => server.kill()));
        await pause(random.integer(0, 1000));
        await server.restart();
        await pause(1000);
      }
      const stopped = random.pick(servers);
      begins('  stop a NATS server for a while');
      told(
        'stop a NATS server for 2 s',
        await longestSilence(acknowledged, async () => {
          stopped.pause();
          await pause(2000);
          stopped.resume();
        }),
      );
      const leaving = random.pick(servers);
      begins('  a NATS server leaves');
      told(
        'a NATS server leaves (lame duck)',
        await longestSilence(acknowledged, async () => {
          const asked = spawnSync(programPath(natsProgram) ?? 'nats-server', ['--signal', `ldm=${leaving.pid}`], { encoding: 'utf8' });
          if (asked.status !== 0) throw new Error(`nats-server --signal: ${asked.stderr}`);
          await pause(3000);
          await leaving.kill();
        }),
      );
      await leaving.restart();
    },
  };
}

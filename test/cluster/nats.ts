/**
 * Three NATS servers with routes to each other: each is killed once, one is stopped, one is cut off from the others, and one is put
 * into lame duck mode.
 */
import { spawnSync } from 'node:child_process';
import { natsProgram, programPath } from '@polyedge/testkit/servers/find-program';
import { freePort } from '@polyedge/testkit/servers/free-port';
import { type Gateway, openGateway } from '@polyedge/testkit/servers/gateway';
import { startNats } from '@polyedge/testkit/servers/nats';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import type { Ground } from '../kill/rounds.ts';
import { startSystem } from '../kill/system.ts';
import { addressed } from './addressed.ts';
import { longestSilence } from './silence.ts';

const SIZE = 3;
/** How long a server is cut off from the others: long enough for them to notice. */
const CUT_MS = 4000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function natsGround(told: (what: string, withoutMs: number) => void, short = false): Ground {
  let servers: readonly RunningServer[] = [];
  /** The ways that each server's routes take, out and in. */
  let ways: readonly (readonly Gateway[])[] = [];
  return {
    startsOver: false,
    async start() {
      const parts = new AsyncDisposableStack();
      const routes = await Promise.all(Array.from({ length: SIZE }, () => freePort()));
      const pairs = await Promise.all(
        routes.flatMap((from) =>
          routes.filter((to) => to !== from).map(async (to) => ({ from, to, way: parts.use(await openGateway(to)) })),
        ),
      );
      ways = routes.map((port) => pairs.filter(({ from, to }) => from === port || to === port).map(({ way }) => way));
      servers = await Promise.all(
        routes.map(async (port) => {
          const others = pairs.filter(({ from }) => from === port).map(({ way }) => `nats-route://127.0.0.1:${way.port}`);
          // A server in lame duck mode takes at least half a minute to close its clients; it is killed before.
          const leaving = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"';
          // What servers tell each other of a third one leads nowhere, so that all routes take the ways that can be cut.
          const config = `cluster { name: polyedge, listen: "127.0.0.1:${port}", advertise: "127.0.0.1:1", routes: [${others.map((one) => `"${one}"`).join(', ')}] }\n${leaving}`;
          return parts.use(await startNats({ config }));
        }),
      );
      const [first] = servers;
      if (first === undefined) throw new Error('no NATS server was started');
      return startSystem(2, true, { nats: addressed(first, servers.map(({ url }) => url).join(','), parts) });
    },
    async faults(random, _round, begins, acknowledged) {
      if (!short) told('nothing, for 3 s', await longestSilence(acknowledged, () => pause(3000)));
      for (const server of random.shuffled(servers).slice(0, short ? 1 : SIZE)) {
        begins('  kill a NATS server of three');
        told('kill a NATS server', await longestSilence(acknowledged, () => server.kill()));
        await pause(random.integer(0, 1000));
        await server.restart();
        await pause(1000);
      }
      const apart = random.pick(ways);
      begins('  cut a NATS server off from the others');
      told(
        `cut a NATS server off from the others for ${CUT_MS / 1000} s`,
        await longestSilence(acknowledged, async () => {
          for (const way of apart) way.cut();
          await pause(CUT_MS);
          for (const way of apart) way.mend();
          await pause(CUT_MS / 2);
        }),
      );
      if (short) return;
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

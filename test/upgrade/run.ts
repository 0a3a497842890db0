/**
 * An upgrade replica by replica, from another working copy to this one, under clients of all five protocols; and the way back, on the database that
 * the newer release has prepared. The store goes first both ways, so that each release's edges are served by the other's store.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { type RunningService, serviceProgram, startService } from '@polyedge/testkit/servers/service';
import { CHEAP_AUTH } from '../../services/jssocket-edge/test/doubles.ts';
import { Load, type LoadResult } from '../replicas/load.ts';
import { ADMIN, connectClients } from '../replicas/system.ts';
import { Rotation } from '../rolling/watchers.ts';

const SERVICES = [
  'graph-store',
  'saga-runner',
  'hiro-edge',
  'saga-edge',
  'gooduncle-edge',
  'space-edge',
  'jssocket-edge',
  'console',
] as const;
const prepareProgram = resolve(import.meta.dirname, '../../services/graph-store/src/prepare.ts');
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param checkout the working copy of the older release
 * @param seconds the shortest time that the clients run
 * @returns the problems and the measurements
 */
export async function upgrade(checkout: string, seconds: number, report: (line: string) => void): Promise<LoadResult> {
  await using parts = new AsyncDisposableStack();
  const problems: string[] = [];
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), startPostgres()]);
  for (const part of [nats, redis, database]) parts.use(part);
  const env = {
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    DATABASE_URL: database.url,
    LOG_LEVEL: 'warn',
    POLYEDGE_ADMIN_PASSWORD: ADMIN.password,
  };
  const start = async (name: string, where: { readonly checkout?: string; readonly port?: number }): Promise<RunningService> => {
    const own = name === 'jssocket-edge' ? { SOCKET_AUTH: CHEAP_AUTH } : {};
    const { POLYEDGE_ADMIN_PASSWORD: _password, ...others } = env;
    const service: RunningService = await startService({
      ...where,
      name,
      env: { ...(name === 'graph-store' ? env : others), ...own },
      onUnexpectedExit: (reason) => problems.push(`${reason}\n${service.log()}`),
    });
    return parts.use(service);
  };
  report('starting two of every service of the older release …');
  const running = new Map<string, RunningService[]>();
  for (const name of SERVICES) {
    // A service that came later has no older release.
    if (existsSync(serviceProgram(name, checkout)))
      running.set(name, await Promise.all([start(name, { checkout }), start(name, { checkout })]));
  }
  const rotations = new Map([...running].map(([name, replicas]) => [name, new Rotation(replicas.map(({ port }) => port))]));
  const rotationOf = (name: string): Rotation => rotations.get(name) ?? new Rotation([]);
  const { edges } = parts.use(await connectClients(rotationOf));
  using load = await Load.start(edges);
  report('clients of all five protocols listen');

  const prepared = spawnSync(process.execPath, [prepareProgram], {
    env: { ...process.env, POLYEDGE_MODE: 'local', DATABASE_URL: database.url, DATABASE_ADMIN_URL: database.url },
    encoding: 'utf8',
  });
  report(`prepare of this release: ${prepared.stdout.trim()}`);
  if (prepared.status !== 0) problems.push(prepared.stderr);
  const replacements = [...running.values()].reduce((sum, replicas) => sum + 2 * replicas.length, 0);
  for (const [to, where] of [
    ['the newer release', {}],
    ['the older release', { checkout }],
  ] as const) {
    for (const [name, replicas] of running) {
      for (const [place, replica] of replicas.entries()) {
        const next = performance.now() + (seconds * 1000) / replacements;
        rotationOf(name).remove(replica.port);
        await pause(300);
        const began = performance.now();
        await replica.stop();
        const stoppedMs = performance.now() - began;
        const successor = await start(name, { ...where, port: replica.port });
        replicas[place] = successor;
        rotationOf(name).add(successor.port);
        report(`${name}: one is of ${to} now; the other ended after ${Math.round(stoppedMs)} ms`);
        await pause(Math.max(0, next - performance.now()));
      }
    }
  }
  const { problems: missed, lines } = await load.end();
  return { problems: [...problems, ...missed], lines };
}

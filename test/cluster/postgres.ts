/**
 * PostgreSQL with one synchronous standby behind one address. The primary is killed for good, the standby is promoted, and the address is redirected to it, as
 * Kubernetes operators or Patroni do. The dead one is then rebuilt as a standby from the new primary.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, openGateway } from '@polyedge/testkit/servers/gateway';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import type { Ground } from '../kill/rounds.ts';
import { startSystem } from '../kill/system.ts';
import { addressed } from './addressed.ts';
import { longestSilence } from './silence.ts';

async function asked(url: string, statement: string): Promise<readonly postgres.Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    return await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Creates a standby of a stopped server: a copy of its folder that follows it. */
function copyAsStandby(from: string, to: string, primary: URL): void {
  mkdirSync(to, { recursive: true });
  cpSync(join(from, 'password'), join(to, 'password'));
  const copied = spawnSync('cp', ['-a', join(from, 'cluster'), join(to, 'cluster')], { encoding: 'utf8' });
  if (copied.status !== 0) throw new Error(copied.stderr);
  const cluster = join(to, 'cluster');
  rmSync(join(cluster, 'postmaster.pid'), { force: true });
  const { hostname, port, username, password } = primary;
  const way = `host=${hostname} port=${port} user=${username} password=${password} application_name=standby`;
  appendFileSync(join(cluster, 'postgresql.auto.conf'), `primary_conninfo = '${way}'\n`);
  writeFileSync(join(cluster, 'standby.signal'), '');
}

export function postgresGround(told: (what: string, withoutMs: number) => void): Ground {
  const parts = new AsyncDisposableStack();
  let gateway: Gateway;
  let primary: RunningServer;
  let standby: RunningServer;
  let made = 0;
  const dir = mkdtempSync(join(tmpdir(), 'polyedge-pair-'));
  // The servers' account must be able to traverse the folder.
  chmodSync(dir, 0o711);
  parts.defer(() => rmSync(dir, { recursive: true, force: true }));

  /** Stops the primary for a moment, adds a standby, and makes commits synchronous. */
  async function addStandby(): Promise<void> {
    made += 1;
    const folder = join(dir, String(made));
    await primary.stop();
    copyAsStandby(primary.dir, folder, new URL(primary.url));
    await primary.restart();
    standby = parts.use(await startPostgres({ dir: folder, settings }));
    await asked(primary.url, `alter system set synchronous_standby_names = 'standby'`);
    await asked(primary.url, 'select pg_reload_conf()');
    await until(
      'the standby is synchronous',
      async () => (await asked(primary.url, `select 1 from pg_stat_replication where sync_state = 'sync'`)).length === 1,
    );
  }
  return {
    startsOver: true,
    async start() {
      primary = parts.use(await startPostgres({ dir: join(dir, '0'), settings }));
      await addStandby();
      gateway = parts.use(await openGateway(primary.port));
      const url = new URL(primary.url);
      url.port = String(gateway.port);
      return startSystem(2, false, { postgres: addressed(primary, url.href, parts) });
    },
    async faults(random, round, begins, acknowledged) {
      if (round > 0) await addStandby();
      await new Promise((resolve) => setTimeout(resolve, random.integer(500, 2000)));
      begins('  PostgreSQL fails over');
      let promotedAt = 0;
      const all = await longestSilence(acknowledged, async () => {
        await primary.kill();
        await asked(standby.url, 'select pg_promote(true, 30)');
        gateway.lead(standby.port);
        promotedAt = performance.now();
        const before = acknowledged();
        await until('writes go on', async () => acknowledged() > before);
        told('PostgreSQL fails over, after the promotion', performance.now() - promotedAt);
      });
      told('PostgreSQL fails over, altogether', all);
      primary = standby;
    },
  };
}

const settings = { max_connections: '100' };

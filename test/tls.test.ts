/** TLS to NATS, Redis and PostgreSQL and on an edge's own port, with certificates made for the test. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { makeCertificates } from '@polyedge/testkit/certificates';
import { freePort } from '@polyedge/testkit/servers/free-port';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { postgresPrograms } from '@polyedge/testkit/servers/postgres-programs';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import postgres from 'postgres';
import { WebSocket } from 'ws';

test('services use TLS to NATS, Redis and PostgreSQL, reject servers of another authority, and serve clients over TLS', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-tls-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o711);
  const { ca, cert, key } = makeCertificates(folder, 'ours');
  const foreign = makeCertificates(folder, 'foreign');
  // PostgreSQL's account must own its key.
  const postgresKey = makeCertificates(folder, 'postgres', postgresPrograms().user);

  const tlsPort = await freePort();
  const [nats, redis, database] = await Promise.all([
    startNats({ config: `tls: { cert_file: "${cert}", key_file: "${key}" }` }),
    startRedis({
      args: [
        '--tls-port',
        String(tlsPort),
        '--tls-cert-file',
        cert,
        '--tls-key-file',
        key,
        '--tls-ca-cert-file',
        ca,
        '--tls-auth-clients',
        'no',
      ],
    }),
    startPostgres({ settings: { ssl: 'on', ssl_cert_file: postgresKey.cert, ssl_key_file: postgresKey.key } }),
  ]);
  for (const server of [nats, redis, database]) stack.use(server);
  const env = {
    NATS_URL: nats.url.replace('nats:', 'tls:'),
    NATS_CA_FILE: ca,
    REDIS_URL: `rediss://127.0.0.1:${tlsPort}?cafile=${ca}`,
    DATABASE_URL: `${database.url}?sslrootcert=${postgresKey.ca}`,
    POLYEDGE_ADMIN_PASSWORD: 'tls-test',
    POLYEDGE_SECRET_KEY: 'the secret key of this test',
    LOG_LEVEL: 'info',
  };
  const store = stack.use(await startService({ name: 'graph-store', env }));
  const sql = postgres(database.url, { max: 1 });
  const connections = await sql`select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'graph-store-%'`;
  await sql.end();
  assert.ok(connections.length > 0 && connections.every(({ ssl }) => ssl === true), 'every connection to PostgreSQL is encrypted');
  assert.doesNotMatch(store.log(), /Redis/);

  await assert.rejects(
    startService({ name: 'graph-store', env: { ...env, DATABASE_URL: `${database.url}?sslrootcert=${foreign.ca}` } }),
    /certificate/,
  );

  const secured = { TLS_CERT_FILE: cert, TLS_KEY_FILE: key };
  for (const name of ['saga-edge', 'space-edge', 'gooduncle-edge', 'jssocket-edge']) {
    const { DATABASE_URL: _database, REDIS_URL: _redis, ...rest } = env;
    const other = await startService({ name, env: { ...rest, ...secured }, certificate: readFileSync(ca, 'utf8') });
    assert.match(other.url, /^https:/);
    await other.stop();
  }
  const edge = stack.use(
    await startService({
      name: 'hiro-edge',
      env: { ...env, TLS_CERT_FILE: cert, TLS_KEY_FILE: key },
      certificate: readFileSync(ca, 'utf8'),
    }),
  );
  assert.match(edge.url, /^https:/);
  const authority = readFileSync(ca);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    get(`${edge.url}/api/version`, { ca: authority, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).once('error', reject);
  });
  assert.equal(status, 200);
  const socket = new WebSocket(`${edge.url.replace('https', 'wss')}/api/graph-ws/6.1/`, ['graph-2.0.0', 'token-none'], { ca: authority });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.terminate();
  await assert.rejects(fetch(edge.url.replace('https', 'http')));
  await edge.stop();
  await store.stop();
  await startsWithTls({ ...env, TLS_CERT_FILE: cert, TLS_KEY_FILE: key }, ca, folder);
});

/** `npm start` on these servers and with this certificate becomes ready, and the commands beside it reach it. */
async function startsWithTls(env: Readonly<Record<string, string>>, authority: string, folder: string): Promise<void> {
  const [graphStorePort, hiroPort] = [await freePort(), await freePort()];
  const all = {
    ...process.env,
    ...env,
    GRAPH_STORE_PORT: String(graphStorePort),
    HIRO_PORT: String(hiroPort),
    POLYEDGE_DATA: join(folder, 'data'),
    NODE_EXTRA_CA_CERTS: authority,
  };
  const run = (name: string, ...args: readonly string[]) =>
    spawn(process.execPath, [join(import.meta.dirname, '../infra/local', name), ...args], { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  const started = run('start.ts', '--only', 'graph-store,hiro-edge');
  try {
    await printed(started, /ready after/, new RegExp(`https://127\\.0\\.0\\.1:${hiroPort}`));
    await printed(run('token.ts'), /^[\w-]+\.[\w-]+\.[\w-]+$/m);
    const watching = run('watch.ts');
    await printed(watching, /^watching/m);
    watching.kill();
  } finally {
    started.kill('SIGINT');
    if (started.exitCode === null) await once(started, 'exit');
  }
  assert.equal(started.exitCode, 0);
}

/** Resolves when a program has printed all of these; rejects with what it printed when it ends before. */
function printed(child: ChildProcessByStdio<null, Readable, Readable>, ...patterns: readonly RegExp[]): Promise<void> {
  let output = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
        if (patterns.every((pattern) => pattern.test(output))) resolve();
      });
    child.once('close', () => reject(new Error(`${patterns.join(' and ')} did not come:\n${output}`)));
  });
}

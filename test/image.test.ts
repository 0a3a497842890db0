/** The steps of infra/docker/Dockerfile, executed in a clean folder, because not every machine has a container runtime; the result must start. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { freePort } from '@polyedge/testkit/servers/free-port';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { serviceExists } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { natsUsers } from '../infra/nats/accounts.ts';

const root = resolve(import.meta.dirname, '..');
/** An unprivileged account, as in the image. */
const uid = 10_001;
const readyMs = 60_000;

/** The files that `COPY` sees under a path: all except those in .dockerignore. */
function copied(path: string, app: string, to = './'): void {
  const ignored = ['**/node_modules/**', '**/test/**', '**/testing/**', '**/*.test.ts'];
  const files = globSync([path, `${path}/**`], { cwd: root, exclude: (name) => name.includes('node_modules') }).filter((name) =>
    statSync(join(root, name)).isFile(),
  );
  for (const file of files.filter((name) => !ignored.some((pattern) => matchesGlob(name, pattern)))) {
    const target = join(app, to === './' ? file : join(to, relative(path, file)));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(root, file), target);
  }
}

const [, packages = '', image = ''] = readFileSync(join(root, 'infra/docker/Dockerfile'), 'utf8').split(/^FROM .*\n/m);

/** Executes the COPY and RUN lines that concern the workspace. */
function carryOut(lines: string, app: string, pnpm: string, service = ''): void {
  for (const line of lines.split('\n')) {
    const [word, ...rest] = line.split(' ');
    if (word === 'COPY' && !line.includes('--from')) for (const path of rest.slice(0, -1)) copied(path, app, rest.at(-1));
    // The packages that the Dockerfile fetches into a separate layer are in this machine's store.
    if (word !== 'RUN' || line.includes('--global') || line.includes('pnpm fetch')) continue;
    execFileSync('/bin/sh', ['-euc', rest.join(' ').replace(/^pnpm install/, `${pnpm} install`)], {
      cwd: app,
      env: { ...process.env, SERVICE: service, CI: 'true', PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
      stdio: 'pipe',
    });
  }
}

/** The shared part of all services, from which each is then built. */
function buildShared(app: string, pnpm: string): void {
  const installs = /^RUN npm install --global (pnpm@\S+)$/m.exec(packages)?.[1];
  assert.equal(installs, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager, "the image has the workspace's pnpm");
  carryOut(packages.split(/^ARG SERVICE$/m)[0] ?? '', app, pnpm);
}

/** The rest of the Dockerfile, for one service. */
function build(shared: string, app: string, service: string, pnpm: string): void {
  execFileSync('cp', ['-a', shared, app]);
  carryOut(packages.split(/^ARG SERVICE$/m)[1] ?? '', app, pnpm, service);
  carryOut(image, app, pnpm, service);
}

const answersOk = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

function pnpmProgram(): string {
  const own = join(root, '.polyedge/toolchain/node_modules/.bin/pnpm');
  return existsSync(own) ? own : 'pnpm';
}

test('the steps of the Dockerfile leave services that start under an unprivileged account from a read-only tree and are healthy', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-image-'));
  stack.defer(() => {
    spawnSync('chmod', ['-R', 'u+w', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  chmodSync(folder, 0o755);
  // The account may not be able to reach the Node that runs this.
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) stack.use(part);
  const dockerfile = readFileSync(join(root, 'infra/docker/Dockerfile'), 'utf8');
  const command: readonly string[] = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]');
  const health: readonly string[] = JSON.parse(/^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]');

  const shared = join(folder, 'shared');
  mkdirSync(shared);
  buildShared(shared, pnpmProgram());
  for (const service of natsUsers.filter((name) => serviceExists(name))) {
    const app = join(folder, service);
    build(shared, app, service, pnpmProgram());
    assert.equal(existsSync(join(app, 'libs/testkit')), false, 'only what serving needs is there');
    assert.deepEqual(readdirSync(join(app, 'services')), [service]);
    const sbom: { readonly components: readonly { readonly name: string }[] } = JSON.parse(
      readFileSync(join(app, 'sbom.cdx.json'), 'utf8'),
    );
    assert.ok(
      sbom.components.some(({ name }) => name === 'typebox') && !sbom.components.some(({ name }) => name === 'typescript'),
      service,
    );
    execFileSync('chmod', ['-R', 'a-w,a+rX', app]);
    const env = {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(await freePort()),
      METRICS_PORT: 'off',
      POLYEDGE_MODE: 'local',
      NATS_URL: nats.url,
      REDIS_URL: redis.url,
      ...(service === 'graph-store' ? { DATABASE_URL: database.url, POLYEDGE_ADMIN_PASSWORD: 'image' } : {}),
    };
    const account = process.getuid?.() === 0 ? { uid, gid: uid } : {};
    const child = spawn(node, command.slice(1), { cwd: app, env, ...account, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    stack.defer(() => void child.kill('SIGKILL'));
    const until = performance.now() + readyMs;
    while (!(await answersOk(`http://127.0.0.1:${env.PORT}/readyz`))) {
      assert.ok(child.exitCode === null && performance.now() < until, `${service} is not well:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(
      spawnSync(health[0] ?? '', health.slice(1), { cwd: app, env, ...account }).status,
      0,
      'the health check of the image says so too',
    );
    if (service === 'graph-store') continue;
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(40_000) });
    assert.equal(code, 0, `${service} ends in order:\n${output}`);
  }
});

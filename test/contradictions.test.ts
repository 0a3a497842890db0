/** Settings that contradict each other are refused by each service's check, which `config --check` runs, and its start before it connects to anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Environment, readConfig } from '@polyedge/service-kit/config';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import type { Settings } from '@polyedge/service-kit/settings';

const SERVICES = ['console', 'gooduncle-edge', 'graph-store', 'hiro-edge', 'jssocket-edge', 'saga-edge', 'saga-runner', 'space-edge'];
const WITH_TLS = SERVICES.filter((name) => name !== 'graph-store' && name !== 'saga-runner');

const CONTRADICTIONS: readonly { readonly of: readonly string[]; readonly env: Environment; readonly problem: RegExp }[] = [
  { of: WITH_TLS, env: { TLS_CERT_FILE: '/cert.pem' }, problem: /TLS needs both/ },
  {
    of: ['gooduncle-edge', 'hiro-edge', 'saga-edge'],
    env: { POLYEDGE_OIDC_ISSUER: 'https://id.example' },
    problem: /an OpenID provider needs/,
  },
  {
    of: ['graph-store', 'hiro-edge', 'saga-runner'],
    env: { POLYEDGE_REDIS_JOURNALS: 'second=http://redis' },
    problem: /the journal second has no URL of the form redis:/,
  },
  { of: ['gooduncle-edge'], env: { GOODUNCLE_TOPICS: '/nowhere.yaml' }, problem: /the topic rules \/nowhere.yaml cannot be read/ },
  { of: ['graph-store'], env: { GRAPH_STORE_PARTITIONS: '15' }, problem: /not a power of two/ },
  {
    of: ['graph-store'],
    env: {
      POLYEDGE_MODE: 'production',
      ...{ DATABASE_URL: 'postgres://localhost/p', NATS_URL: 'nats://localhost', REDIS_URL: 'redis://localhost' },
      ...{ POLYEDGE_SECRET_KEY: 'a secret of sixteen', GRAPH_STORE_PASSWORD_COST: '13' },
    },
    problem: /GRAPH_STORE_PASSWORD_COST is below 14/,
  },
  { of: ['graph-store'], env: { GRAPH_STORE_SERVES: 'second' }, problem: /which POLYEDGE_JOURNALS does not/ },
  { of: ['hiro-edge'], env: { HIRO_REDIRECT_URIS: 'anywhere' }, problem: /HIRO_REDIRECT_URIS/ },
  { of: ['jssocket-edge'], env: { POLYEDGE_JSSOCKET_BRIDGE: '/nowhere.json' }, problem: /names a file that cannot be read/ },
  { of: ['saga-runner'], env: { RUNNER_FETCH: 'listed' }, problem: /RUNNER_FETCH_HOSTS lists no host/ },
  { of: ['space-edge'], env: { ADMIN_USER: 'admin' }, problem: /ADMIN_USER has no effect here/ },
];

for (const name of SERVICES) {
  test(`${name} accepts its defaults, and says what contradicts`, async () => {
    const folder = `../services/${name}/src`;
    const { settings }: { settings: Settings } = await import(`${folder}/config.ts`);
    const { checkSettings }: { checkSettings: (config: unknown) => unknown } = await import(`${folder}/app.ts`);
    const check = async (env: Environment) => {
      const read = readConfig(name, settings, { POLYEDGE_MODE: 'local', ...env });
      assert.ok(read.ok, JSON.stringify(read));
      await checkSettings(read.config);
    };
    await check({});
    for (const { of, env, problem } of CONTRADICTIONS) {
      if (of.includes(name))
        await assert.rejects(check(env), (error) => error instanceof CannotStart && problem.test(error.message), JSON.stringify(env));
    }
  });
}

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonSettings } from './common-settings.ts';
import { type Environment, prefixOf, readConfig } from './config.ts';
import { boolean, duration, integer, secret, text, url } from './settings.ts';
import { settingRows, settingsEnv, settingsMarkdown, settingsText } from './settings-table.ts';

const settings = {
  ...commonSettings({ port: 5402 }),
  maxInFlight: integer({ default: 64, min: 1, max: 1_000, unit: 'requests', doc: 'Requests in flight.' }),
  idleMs: duration({ default: 60_000, min: 1_000, max: 3_600_000, doc: 'How long a silent client stays.' }),
  greet: boolean({ default: false, doc: 'Whether to greet.' }),
  origin: text({ optional: true, aliases: ['ALLOWED_ORIGINS'], doc: 'Allowed origins.' }),
  signingKey: secret({ localDefault: 'not secret', insecure: 'tokens can be forged by anybody', minLength: 4, doc: 'Signs.' }),
  redis: url({ env: 'REDIS_URL', schemes: ['redis'], localDefault: 'redis://127.0.0.1:6379', doc: 'Redis.' }),
};

const local = { POLYEDGE_MODE: 'local' };
const read = (environment: Environment) => readConfig('hiro-edge', settings, environment);
const problems = (environment: Environment): readonly string[] => {
  const result = read(environment);
  return result.ok ? [] : result.problems;
};

test('names are derived from service and setting', () => {
  assert.equal(prefixOf('hiro-edge'), 'HIRO_');
  assert.equal(prefixOf('graph-store'), 'GRAPH_STORE_');
  assert.equal(prefixOf('saga-runner'), 'RUNNER_');
  const result = read({
    ...local,
    HIRO_MAX_IN_FLIGHT: '5',
    HIRO_IDLE_MS: '2m',
    ALLOWED_ORIGINS: 'x',
    HIRO_GREET: 'yes',
    HIRO_PORT: '5500',
  });
  assert.ok(result.ok);
  const { maxInFlight, idleMs, origin, greet, port } = result.config;
  assert.deepEqual({ maxInFlight, idleMs, origin, greet, port }, { maxInFlight: 5, idleMs: 120_000, origin: 'x', greet: true, port: 5500 });
  assert.ok(Object.isFrozen(result.config));
});

test('a proper name comes before its aliases, and an empty value counts as none', () => {
  const result = read({ ...local, PORT: '1', HIRO_PORT: '2', HIRO_ORIGIN: '', ALLOWED_ORIGINS: 'x' });
  assert.ok(result.ok);
  assert.equal(result.config.port, 1);
  assert.equal(result.config.origin, 'x');
});

test('an empty secret is an error that names the setting, however it is set', () => {
  const dir = mkdtempSync(join(tmpdir(), 'polyedge-config-'));
  writeFileSync(join(dir, 'empty'), '\n');
  const aliased = { ...settings, signingKey: secret({ aliases: ['SOCKET_AUTH'], localDefault: 'not secret', doc: 'Signs.' }) };
  for (const [name, value, problem] of [
    ['HIRO_SIGNING_KEY', '', /^HIRO_SIGNING_KEY is empty/],
    ['SOCKET_AUTH', '', /^SOCKET_AUTH is empty/],
    ['SOCKET_AUTH', ' \n', /^SOCKET_AUTH is empty/],
    ['SOCKET_AUTH_FILE', '', /^SOCKET_AUTH_FILE is empty/],
    ['SOCKET_AUTH_FILE', join(dir, 'empty'), /^the file of SOCKET_AUTH_FILE is empty/],
    ['NATS_PASSWORD', '', /^NATS_PASSWORD is empty/],
  ] as const) {
    const result = readConfig('hiro-edge', aliased, { ...local, [name]: value });
    assert.ok(!result.ok, name);
    assert.equal(result.problems.length, 1);
    assert.match(result.problems[0] ?? '', problem);
  }
  rmSync(dir, { recursive: true });
});

test('a program that reads a few settings does not report the others of its service as unknown', () => {
  const { maxInFlight } = settings;
  const some = (environment: Environment) => readConfig('hiro-edge', { maxInFlight }, environment, settings);
  assert.equal(some({ HIRO_IDLE_MS: '2m', HIRO_SIGNING_KEY_FILE: '/none', ALLOWED_ORIGINS: 'x' }).ok, true);
  assert.equal(some({ HIRO_IDLE: '2m' }).ok, false);
});

test('insecure defaults exist in local mode only and name themselves', () => {
  const result = read(local);
  assert.ok(result.ok);
  assert.equal(result.config.signingKey, 'not secret');
  assert.equal(result.config.host, '127.0.0.1');
  assert.deepEqual(result.warnings, ['HIRO_SIGNING_KEY is not set: tokens can be forged by anybody']);
  assert.deepEqual(
    problems({}).map((problem) => problem.split(' ')[0]),
    ['NATS_URL', 'HIRO_SIGNING_KEY', 'REDIS_URL'],
  );
});

test('a default that local mode makes insecure names itself there, unless it is set', () => {
  const cookies = { secureCookies: boolean({ default: true, localDefault: false, insecure: 'cookies travel without TLS', doc: 'd' }) };
  const warned = (environment: Environment) => {
    const result = readConfig('console', cookies, environment);
    assert.ok(result.ok);
    return [result.config.secureCookies, ...result.warnings];
  };
  assert.deepEqual(warned(local), [false, 'CONSOLE_SECURE_COOKIES is not set: cookies travel without TLS']);
  assert.deepEqual(warned({ ...local, CONSOLE_SECURE_COOKIES: 'false' }), [false]);
  assert.deepEqual(warned({}), [true]);
});

test('every wrong value and unknown name of its own prefix is named, and no secret is quoted', () => {
  const found = problems({
    ...local,
    HIRO_MAX_IN_FLIGHT: '1001',
    HIRO_IDLE_MS: '5 minutes',
    HIRO_GREET: 'maybe',
    HIRO_SIGNING_KEY: 'abc',
    REDIS_URL: 'http://user:hidden@host',
    PORT: '70000',
    HIRO_MAX_INFLIGHT: '5',
    SAGA_WHATEVER: '1',
  });
  assert.deepEqual(
    found.map((problem) => problem.split(' ')[0]),
    ['PORT', 'HIRO_MAX_IN_FLIGHT', 'HIRO_IDLE_MS', 'HIRO_GREET', 'HIRO_SIGNING_KEY', 'REDIS_URL', 'HIRO_MAX_INFLIGHT'],
  );
  assert.ok(!/abc|hidden/.test(found.join()));
});

test('names that Kubernetes injects never count', () => {
  const injected = {
    HIRO_SERVICE_HOST: '10.0.0.1',
    HIRO_SERVICE_PORT: '5402',
    HIRO_SERVICE_PORT_HTTP: '5402',
    HIRO_PORT: 'tcp://10.0.0.1:5402',
    HIRO_PORT_5402_TCP: 'tcp://10.0.0.1:5402',
    HIRO_PORT_5402_TCP_PROTO: 'tcp',
    HIRO_EDGE_PORT: 'tcp://10.0.0.1:5402',
    HIRO_EDGE_SERVICE_HOST: '10.0.0.1',
    METRICS_PORT: 'tcp://10.0.0.1:1',
  };
  assert.deepEqual(problems({ ...local, ...injected }), []);
});

test('a secret may come from a file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'polyedge-config-'));
  writeFileSync(join(dir, 'key'), 'from the file\n');
  const result = read({ ...local, HIRO_SIGNING_KEY_FILE: join(dir, 'key') });
  assert.ok(result.ok);
  assert.equal(result.config.signingKey, 'from the file');
  assert.deepEqual(problems({ ...local, HIRO_SIGNING_KEY_FILE: join(dir, 'none') }), [
    'HIRO_SIGNING_KEY_FILE names a file that cannot be read',
  ]);
  rmSync(dir, { recursive: true });
});

test('no text makes reading throw, and accepted values are within their bounds', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('1e3', '0x10', ' 5', '-0', '99999999999999999999', '5ms')),
      (value) => {
        const result = read({ ...local, HIRO_MAX_IN_FLIGHT: value, HIRO_IDLE_MS: value, PORT: value, REDIS_URL: value });
        if (!result.ok) return;
        assert.ok(Number.isInteger(result.config.maxInFlight) && result.config.maxInFlight >= 1 && result.config.maxInFlight <= 1_000);
        assert.ok(result.config.idleMs >= 1_000 && result.config.idleMs <= 3_600_000);
      },
    ),
  );
});

test("the tables name every setting and never a secret's default", () => {
  const rows = settingRows('hiro-edge', settings);
  assert.equal(rows.length, Object.keys(settings).length);
  for (const printed of [
    settingsMarkdown('hiro-edge', settings),
    settingsEnv('hiro-edge', settings),
    settingsText('hiro-edge', settings),
  ]) {
    for (const { name } of rows) assert.ok(printed.includes(name), name);
    assert.ok(!printed.includes('not secret'));
  }
});

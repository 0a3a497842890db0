/**
 * `evaluate`: SPACE's `POST /features/:userId/:featureId` with consumption, through space-edge, NATS, graph-store, PostgreSQL and Redis, beside
 * the bare transaction (`select … for update`, `update`) over eight connections; and `POST /features/:userId` without consumption, answered
 * from memory, beside a bare fastify route that answers the same JSON. The CPU of a consumption is that of everything involved; of a read,
 * that of the one process.
 *
 * `×W`: W connections with one request each, each for its own user; `one user` is 64 connections that consume of the same limit.
 */

import { startNats } from '@polyedge/testkit/servers/nats';
import { createDatabase, startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import type { ConsumeAnswer, ConsumeQuestion } from './baselines/bare-consume.ts';
import { Child } from './lib/child.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './lib/cpu.ts';
import { HttpLane } from './lib/http-lane.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { readOptions } from './lib/options.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { profiling } from './lib/system.ts';

const LANES = 64;
const WARM_UP_MS = 1000;
const PASSWORD = 'benchmark-password';
const FEATURE = 'bench-work';
const CONSUMPTION = JSON.stringify({ 'bench-maxWork': 1 });
/** Twelve features, of which one consumes. */
const PRICING = JSON.stringify({
  saasName: 'Bench',
  syntaxVersion: '3.0',
  version: '1',
  createdAt: '2024-01-01',
  currency: 'EUR',
  features: Object.fromEntries(
    Array.from({ length: 12 }, (_, at) => {
      const name = at === 0 ? 'work' : `feature${at}`;
      const more = at === 0 ? " && subscriptionContext['maxWork'] < pricingContext['usageLimits']['maxWork']" : '';
      return [
        name,
        { type: 'DOMAIN', valueType: 'BOOLEAN', defaultValue: true, expression: `pricingContext['features']['${name}']${more}` },
      ];
    }),
  ),
  usageLimits: { maxWork: { type: 'NON_RENEWABLE', trackable: true, valueType: 'NUMERIC', defaultValue: 100_000_000 } },
  plans: { ONLY: { price: 1, features: null } },
});

const options = readOptions({ seconds: 3, seed: 1, rounds: 5 });

await using parts = new AsyncDisposableStack();
const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), startPostgres()]);
for (const part of [nats, redis, postgres]) parts.use(part);
const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
const storeEnv = { ...env, ...profiling('graph-store'), POLYEDGE_ADMIN_USERNAME: 'admin', POLYEDGE_ADMIN_PASSWORD: PASSWORD };
const store = parts.use(await startService({ name: 'graph-store', env: storeEnv }));
const space = parts.use(await startService({ name: 'space-edge', env: { ...env, ...profiling('space-edge') } }));
if (!(await createDatabase(postgres.url, 'bare'))) throw new Error('PostgreSQL does not answer');
const bareUrl = new URL(postgres.url);
bareUrl.pathname = '/bare';
const bare = parts.use(await Child.start('bare-consume', bareUrl.href));

const key = await organizationKey();
await call('/services', { pricing: new Blob([PRICING], { type: 'application/yaml' }) });
for (let lane = 0; lane < LANES; lane += 1) {
  await call('/contracts', {
    userContact: { userId: userOf(lane), username: userOf(lane) },
    contractedServices: { Bench: '1' },
    subscriptionPlans: { Bench: 'ONLY' },
    subscriptionAddOns: {},
  });
}
const answer = await call(`/features/${userOf(0)}`, {});
const json = parts.use(await Child.start('bare-json', answer));
const { port: jsonPort } = json.ready as { port: number }; // both ends are files of this folder

const whole = { 'space-edge': space.pid, 'graph-store': store.pid, nats: nats.pid, postgres: postgres.pid, redis: redis.pid };
const consume = (inFlight: number, user: (lane: number) => string) => (): Promise<Sample> =>
  over(space.port, whole, inFlight, (lane) => ({
    path: `/api/v1/features/${user(lane)}/${FEATURE}`,
    body: CONSUMPTION,
    good: '"eval":true',
  }));
const read = (port: number, pids: Readonly<Record<string, number>>) => (): Promise<Sample> =>
  over(port, pids, LANES, (lane) => ({ path: `/api/v1/features/${userOf(lane)}`, body: '', good: '"bench-work":true' }));

const samples = await inRounds(
  [
    { name: 'consume ×1', measure: consume(1, userOf) },
    { name: 'consume ×8', measure: consume(8, userOf) },
    { name: 'bare transaction ×8', measure: bareTransactions },
    { name: 'consume ×64', measure: consume(LANES, userOf) },
    { name: 'consume ×64, one user', measure: consume(LANES, () => userOf(0)) },
    { name: 'read ×64', measure: read(space.port, { 'space-edge': space.pid }) },
    { name: 'bare route ×64', measure: read(jsonPort, { fastify: json.pid }) },
  ],
  options,
);
report({
  name: 'evaluate',
  unit: 'one evaluation: with consumption until it is committed, or read from memory',
  options,
  samples,
  goals: [
    { of: 'consume ×64', by: 'bare transaction ×8', figure: 'cpuUs', atMost: 3 },
    { of: 'consume ×64', by: 'bare transaction ×8', figure: 'rate' },
    { of: 'read ×64', by: 'bare route ×64', figure: 'cpuUs', atMost: 1.5 },
    { of: 'consume ×64', figure: 'lost', atMost: 0 },
    { of: 'consume ×64, one user', figure: 'lost', atMost: 0 },
  ],
});
await parts.disposeAsync();
process.exit(0);

async function bareTransactions(): Promise<Sample> {
  const ask = (ms: number) => bare.ask<ConsumeAnswer>({ connections: 8, ms } satisfies ConsumeQuestion);
  await ask(WARM_UP_MS);
  const pids = { client: bare.pid, postgres: postgres.pid };
  const before = cpuByName(pids);
  const { done, seconds, p50Ms, p99Ms } = await ask(options.seconds * 1000);
  const after = cpuByName(pids);
  return { ...cpuPerUnit(before, after, done), rate: done / seconds, p50Ms, p99Ms, memoryMiB: residentMiB(pids) };
}

async function over(
  port: number,
  pids: Readonly<Record<string, number>>,
  inFlight: number,
  ask: (lane: number) => { readonly path: string; readonly body: string; readonly good: string },
): Promise<Sample> {
  // The edge closes connections that are idle for some seconds, so each measurement opens its own.
  const lanes = await Promise.all(Array.from({ length: inFlight }, () => HttpLane.open(port)));
  const { sample } = await measuredLoop(pids, {
    inFlight,
    warmUpMs: WARM_UP_MS,
    ms: options.seconds * 1000,
    start: (lane, answered) => {
      const { path, body, good } = ask(lane);
      lanes[lane]?.post(path, key, body, (status, text) =>
        answered(status === 200 && text.includes(good) ? undefined : `${status} ${text.slice(0, 200)}`),
      );
    },
  });
  for (const lane of lanes) lane.destroy();
  return sample;
}

function userOf(lane: number): string {
  return `bench-${lane}`;
}

async function organizationKey(): Promise<string> {
  const login = JSON.parse(await request('/users/authenticate', { username: 'admin', password: PASSWORD }, {}));
  const listed = await fetch(`${space.url}/api/v1/organizations?q=admin`, { headers: { 'x-api-key': String(login.apiKey) } });
  const found = /org_[0-9a-f]+/.exec(await listed.text())?.[0];
  if (found === undefined) throw new Error('the administrator has no organization');
  return found;
}

function call(path: string, body: object): Promise<string> {
  return request(path, body, { 'x-api-key': key });
}

async function request(path: string, body: object, headers: Readonly<Record<string, string>>): Promise<string> {
  const form = 'pricing' in body && body.pricing instanceof Blob ? new FormData() : undefined;
  if ('pricing' in body && body.pricing instanceof Blob) form?.set('pricing', body.pricing, 'bench.yml');
  const response = await fetch(`${space.url}/api/v1${path}`, {
    method: 'POST',
    headers: { ...headers, ...(form === undefined ? { 'content-type': 'application/json' } : {}) },
    body: form ?? JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text;
}

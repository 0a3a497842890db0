/** Saga with a runner and a registry of packages, for the tests of scripts. Importing it starts and ends the system. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { type Ack, type Generation, type Session, session, type Transports } from '../../services/saga-edge/test/client.ts';
import { startRegistry } from '../../services/saga-runner/test/registry.ts';
import { ADMIN, type System, startSystem } from './system.ts';

export let system: System;
let registry: Awaited<ReturnType<typeof startRegistry>>;
export let url: string;
export let boss: Session;
const open: { close(): void }[] = [];

before(async () => {
  registry = await startRegistry([
    { name: 'greets', version: '1.0.0', files: { 'index.js': 'module.exports = (name) => "hello " + name;' } },
    { name: 'greets', version: '2.0.0', files: { 'index.js': 'module.exports = (name) => "hi " + name;' } },
    { name: 'reads', version: '1.0.0', files: { 'index.js': 'require("fs");' } },
    { name: 'large', version: '1.0.0', files: { 'index.js': `module.exports = ${JSON.stringify('x'.repeat(1_500_000))};` } },
    {
      name: 'odd',
      version: '1.0.0',
      files: { 'index.js': 'module.exports = "odd";' },
      more: { description: 'a\0b', keywords: ['\ud800'] },
    },
  ]);
  system = await startSystem({
    runner: {
      RUNNER_PACKAGES: 'true',
      RUNNER_REGISTRY: registry.url,
      RUNNER_WALL_MS: '3s',
      RUNNER_CPU_MS: '1s',
      RUNNER_MEMORY_MB: '48',
      RUNNER_MAX_LOG_LINES: '50',
      RUNNER_MAX_FIRED: '24',
    },
  });
  url = system.saga.url;
  boss = await admin();
  await boss.send('/scripts/runnable_calls/join');
  await boss.send('/jobs/runnable_calls/join');
});
after(async () => {
  for (const client of open) client.close();
  await system[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

export async function admin(transports: Transports = ['websocket'], generation: Generation = 4): Promise<Session> {
  const client = await session(url, ADMIN, transports, generation);
  open.push(client);
  return client;
}

export const makeBot = async (data: object = {}): Promise<string> => (await boss.api('POST', '/bots', { name: 'bot', ...data })).body._id;

export async function make(plural: 'scripts' | 'jobs', data: object): Promise<string> {
  const made = await boss.api('POST', `/${plural}`, { name: 'one', ...data });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return made.body._id;
}

export const script = (path: string, body: string, data: object = {}): Promise<string> => make('scripts', { path, body, ...data });

export const callsOf = (id: string): Ack['body'][] => boss.events('/runnable_calls').filter((call) => call.runnable_id === id);

/** The n-th call of a runnable. */
export async function callOf(id: string, count = 1): Promise<Ack['body']> {
  // Runs that exceed their limits one after the other take a while on a busy machine.
  return until(`there is call ${count} of ${id}`, () => callsOf(id)[count - 1]);
}

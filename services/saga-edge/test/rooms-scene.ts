/** Clients, runnables, and a bus on which a test can act as the runner, on the system of `saga-scene.ts`. */
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { type RunnableCall, type RunnableLog, reportRunnable } from '@polyedge/contracts/bus/runnables';
import type { Bus } from '@polyedge/service-kit/bus';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { rest, type Session, session } from './client.ts';
import { boss, open, started, system, url } from './saga-scene.ts';

export let bus: Bus;
let scope: string;

before(async () => {
  await started;
  const connected = await connectNatsBus({
    url: system.natsUrl,
    service: 'runner',
    instance: 'test',
    credentials: { kind: 'none' },
    log: silentLog,
  });
  assert.ok(connected.ok);
  bus = connected.value;
  open.push(bus);
  scope = JSON.parse(Buffer.from(boss.token.split('.')[1] ?? '', 'base64url').toString('utf8')).data['default-scope'];
});

export async function person(username: string): Promise<Session> {
  const password = `${username}-password`;
  assert.equal((await rest(url)('POST', '/users/register', { username, password })).status, 200);
  const client = await session(url, { username, password });
  open.push(client);
  return client;
}

export const makeBot = async (data: object = {}): Promise<string> => (await boss.api('POST', '/bots', { name: 'bot', ...data })).body._id;
export const names = (client: Session): string[] => client.log.flatMap((entry) => ('ev' in entry ? [entry.ev] : []));

export async function makeScript(plural: 'scripts' | 'jobs', data: object = {}): Promise<string> {
  const made = await boss.api('POST', `/${plural}`, {
    name: 'one',
    body: 'return 1',
    ...(plural === 'scripts' ? { path: '/users/properties/score' } : { schedule: 'every 5 m' }),
    ...data,
  });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return made.body._id;
}

export async function report(body: { readonly call: RunnableCall } | { readonly log: RunnableLog }): Promise<void> {
  const subject = reportRunnable.subject({ tenant: 'default' });
  const reported = await bus.request(reportRunnable, subject, { defaultScope: scope, report: body }, { timeoutMs: 30_000 });
  assert.ok(reported.ok, JSON.stringify(reported));
}

let calls = 0;
export function callOf(runnableType: 'scripts' | 'jobs', runnable: string): RunnableCall {
  calls += 1;
  return {
    ...{ id: `call${calls}`, runnableType, runnable, startedAt: 1_000_000, finishedAt: 1_000_020, success: false },
    ...{ error: { message: 'no', stack: 'at' }, logCount: 1, context: { property_id: 'p' }, creator: { type: 'scripts', id: runnable } },
  };
}

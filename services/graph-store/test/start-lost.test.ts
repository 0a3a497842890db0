/** PostgreSQL goes away while a replica starts: the start waits, with a bound, and goes on where it was. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { serviceProgram, startService } from '@polyedge/testkit/servers/service';
import { ACCOUNT_TYPE } from '../src/accounts/accounts.ts';
import { openFaultyGateway } from './faulty-gateway.ts';
import { startStore } from './running-store.ts';

/** Connections that end. */
const CONNECTIONS = 12;

test('a start whose connections end at any moment, in any manner, comes to its end, and makes one administrator', async () => {
  await using store = await startStore(0);
  const url = new URL(store.databaseUrl);
  await using gateway = await openFaultyGateway(Number(url.port));
  url.port = String(gateway.port);
  const manners = ['reset', 'end', 'refused', 'ended'] as const;
  // A handshake alone has seventeen messages of the server.
  for (let n = 0; n < CONNECTIONS; n += 1) gateway.fail(manners[n % manners.length] ?? 'reset', 6 * n);
  const ends: string[] = [];
  await using replica = await startService({
    name: 'graph-store',
    env: {
      NATS_URL: store.nats.url,
      REDIS_URL: store.redis.url,
      DATABASE_URL: url.href,
      POLYEDGE_ADMIN_PASSWORD: 'a password',
      LOG_LEVEL: 'warn',
    },
    onUnexpectedExit: (reason) => ends.push(reason),
  });
  assert.ok(gateway.connections > CONNECTIONS, `${gateway.connections} connections`);
  assert.match(replica.log(), /waiting for PostgreSQL/);
  assert.deepEqual(ends, []);
  const accounts = await store.sql`select id from element where type = ${ACCOUNT_TYPE} and not deleted`;
  assert.equal(accounts.length, 1);
});

test('a start that waits for PostgreSQL gives up with a sentence, and a signal ends it', async () => {
  const begin = (wait: string) => {
    const child = spawn(process.execPath, [serviceProgram('graph-store')], {
      env: {
        ...process.env,
        POLYEDGE_MODE: 'local',
        PORT: '0',
        DATABASE_URL: 'postgres://127.0.0.1:1/none',
        GRAPH_STORE_DATABASE_WAIT_MS: wait,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output: Buffer[] = [];
    const waits = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output.push(chunk);
        if (String(chunk).includes('waiting for PostgreSQL')) resolve();
      });
    });
    // Not `exit`, after which the end of its output may still come.
    return { child, waits, ended: once(child, 'close'), output: () => Buffer.concat(output).toString('utf8') };
  };
  const impatient = begin('100ms');
  assert.deepEqual(await impatient.ended, [1, null]);
  assert.match(impatient.output(), /PostgreSQL does not answer within 0.1 s: connect ECONNREFUSED/);
  const patient = begin('10m');
  await patient.waits;
  patient.child.kill('SIGTERM');
  assert.deepEqual(await patient.ended, [0, null]);
});

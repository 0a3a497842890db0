/** The preparation of the database starts together with the database, as in Compose, and does not give up because it is first. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { startPostgres } from '@polyedge/testkit/servers/postgres';

const program = resolve(import.meta.dirname, '../src/prepare.ts');

/** Runs the program; `saw` resolves when it has printed something, `ended` gives its exit code. */
function prepare(url: string, wait: string) {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, POLYEDGE_MODE: 'local', DATABASE_URL: url, DATABASE_ADMIN_URL: url, GRAPH_STORE_DATABASE_WAIT_MS: wait },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const printed = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
        resolve();
      });
  });
  // Not `exit`, after which the end of its output may still come.
  return { printed, output: () => output, ended: once(child, 'close').then(([code]) => Number(code)) };
}

test('prepare waits for a database that starts later than it, and says in a sentence that it gave up', async () => {
  await using postgres = await startPostgres();
  await postgres.stop();
  const impatient = prepare(postgres.url, '0');
  assert.equal(await impatient.ended, 1);
  assert.match(impatient.output(), /^graph-store: PostgreSQL does not answer within 0 s: connect ECONNREFUSED/m);
  const patient = prepare(postgres.url, '60s');
  await patient.printed;
  assert.match(patient.output(), /^graph-store: waiting for PostgreSQL: /m);
  await postgres.restart();
  assert.equal(await patient.ended, 0, patient.output());
  assert.match(patient.output(), /applied migrations 1, /);
});

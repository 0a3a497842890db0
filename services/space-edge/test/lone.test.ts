import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { accountsFindKey } from '@polyedge/contracts/bus/accounts';
import { type ErrorCode, errors } from '@polyedge/contracts/errors';
import { readConfig } from '@polyedge/service-kit/config';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { checkSettings, startSpaceEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';
import { refused } from '../src/protocol/answer.ts';
import { RawSocket } from './sockets.ts';
import { Rest } from './system.ts';

/** The edge alone, on the bus inside this process: what it does without graph-store. */
async function startAlone(env: Readonly<Record<string, string>> = {}) {
  const bus = localBus();
  const read = readConfig('space-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', ...env });
  assert.ok(read.ok, read.ok ? '' : read.problems.join('\n'));
  checkSettings(read.config);
  const edge = await startSpaceEdge(
    read.config,
    { log: silentLog, metrics: noMetrics(), ready: () => edge.ready(), instance: 'lone' },
    bus,
  );
  return {
    edge,
    bus,
    url: `http://127.0.0.1:${edge.port}`,
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      await bus.close();
    },
  };
}

test('space:35 the original names of the administrator are refused with a sentence', async () => {
  for (const name of ['ADMIN_USER', 'ADMIN_PASSWORD']) {
    await assert.rejects(
      startAlone({ [name]: 'somebody' }),
      (error) => error instanceof CannotStart && error.message.includes(`POLYEDGE_${name}`),
    );
  }
});

test('without graph-store the edge is not ready, answers 503 and keeps its sockets', async () => {
  await using alone = await startAlone({ SPACE_REQUEST_TIMEOUT_MS: '500' });
  assert.match(String(alone.edge.ready()), /graph-store does not answer/);
  assert.equal((await fetch(`${alone.url}/readyz`)).status, 503);
  const answered = await new Rest(alone.url, `org_${'0'.repeat(64)}`).get('/services');
  assert.equal(answered.status, 503);
  assert.equal(answered.headers.get('retry-after'), '1');
  await using raw = await RawSocket.joined(alone.url);
  assert.match(raw.frames[1] ?? '', /^40\/pricings,/);
});

test('space:44 draining refuses new sockets and lets the open ones go without a farewell', async () => {
  await using alone = await startAlone();
  await using raw = await RawSocket.joined(alone.url);
  await alone.edge.drain();
  assert.equal(raw.frames.length, 2);
  await using late = await RawSocket.open(alone.url);
  assert.equal(late.frames.length, 0);
  assert.equal(late.closed, true);
});

test('every failure of the store leaves over HTTP with a status that the page names', async () => {
  await using alone = await startAlone();
  let code: ErrorCode = 'internal';
  alone.bus.respond(accountsFindKey, async () => ({ ok: false, failure: { code } }));
  for (const one of Object.keys(errors) as ErrorCode[]) {
    code = one;
    // Keys are remembered for a while, so each asks with its own.
    const answered = await new Rest(alone.url, `org_${createHash('sha256').update(one).digest('hex')}`).get('/services');
    // A key that is not there is one that is not valid.
    const expected = one === 'not-found' ? 401 : refused({ code: one }).answer.status;
    assert.equal(answered.status, expected, one);
  }
});

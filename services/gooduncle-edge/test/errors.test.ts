/** Every code and reason of an answer, over a socket: failures of the store are made up, everything else is what the edge itself says. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { graphGet, graphMutate, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done, type ErrorCode, errors, failed } from '@polyedge/contracts/errors';
import { readConfig } from '@polyedge/service-kit/config';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { tokenMaker } from '@polyedge/testkit/token-maker';
import { startGoodUncleEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';
import type { Code, Reason } from '../src/protocol/problems.ts';
import { says } from './answers.ts';
import { type Answer, Client } from './client.ts';

const CODES = Object.keys(errors) as ErrorCode[];

/** What a failure of the store is to a client. */
const TOLD: Readonly<Record<ErrorCode, string>> = {
  invalid: 'bad request value@null',
  unauthenticated: 'forbidden credentials@null',
  'not-allowed': 'forbidden role@null',
  'not-found': 'not found not found@null',
  conflict: 'bad request duplicate@null',
  'too-large': 'bad request too large@null',
  limited: 'slow down rate@null',
  busy: 'slow down rate@null',
  expired: 'slow down rate@null',
  unavailable: 'error internal@null',
  lost: 'error internal@null',
  internal: 'error internal@null',
};

/** Codes and reasons as their types have them: a new one is to be provoked here, or named with the test that does. */
const PROVOKED: Readonly<Record<Exclude<Code, 'ok'> | Reason, string>> = {
  forbidden: 'here',
  'not found': 'here',
  'bad request': 'here',
  'slow down': 'here',
  error: 'here',
  missing: 'here',
  type: 'here',
  value: 'here',
  unknown: 'here',
  duplicate: 'here',
  immutable: 'here',
  'too large': 'here',
  'too deep': 'here',
  operator: 'here',
  credentials: 'here',
  role: 'here',
  field: 'here',
  row: 'here',
  limit: 'here',
  rate: 'here',
  internal: 'here',
  overflow: 'live.test.ts',
  revoked: 'roles.test.ts',
};

const seen = new Set<string>();
function saw(answer: Answer): string {
  for (const word of [answer.response.code, ...answer.response.errors.map(({ reason }) => reason)]) seen.add(word);
  return says(answer);
}

const TOPICS = `
topics:
  things: { roles: { anonymous: { read: {}, create: { check: { open: true } }, update: {}, delete: {} } } }
  shown: { roles: { anonymous: { read: { fields: [name] } } } }
`;

const parts = new AsyncDisposableStack();
let url: string;
before(async () => {
  const bus = localBus();
  parts.defer(() => bus.close());
  tokenMaker(bus);
  // The text of the question names the failure.
  const asked = (body: unknown) => {
    const text = JSON.stringify(body);
    return CODES.find((code) => text.includes(`"${code}"`));
  };
  bus.respond(graphQuery, async (body) => {
    const code = asked(body);
    const nothing: readonly Element[] = [];
    return code === undefined ? done({ elements: [...nothing], seq: 1, epoch: 'e' }) : failed(code);
  });
  bus.respond(graphGet, async ({ ids }) => done({ elements: ids.map(() => null), seq: 1, epoch: 'e' }));
  bus.respond(graphMutate, async () => failed('unavailable'));
  const folder = mkdtempSync(join(tmpdir(), 'gooduncle-errors-'));
  parts.defer(() => rmSync(folder, { recursive: true }));
  const topics = join(folder, 'topics.yaml');
  writeFileSync(topics, TOPICS);
  const env = { POLYEDGE_MODE: 'local', PORT: '0', GOODUNCLE_TOPICS: topics, GOODUNCLE_SCOPE: 's', GOODUNCLE_MAX_SUBSCRIPTIONS: '1' };
  const limits = { GOODUNCLE_REQUESTS_PER_SECOND: '1000', GOODUNCLE_REQUEST_BURST: '200', GOODUNCLE_MAX_FRAME_BYTES: '65536' };
  const read = readConfig('gooduncle-edge', settings, { ...env, ...limits });
  assert.ok(read.ok, JSON.stringify(read));
  const context = { log: silentLog, metrics: noMetrics(), ready: (): true => true, instance: 'lone' };
  const edge = await startGoodUncleEdge(read.config, context, bus);
  parts.defer(() => edge.stop());
  url = `http://127.0.0.1:${edge.port}`;
});
after(() => parts.disposeAsync());

test('gooduncle:F14 every failure of the store has its code and its reason', async () => {
  using client = await Client.open(url);
  for (const code of CODES)
    assert.equal(saw(await client.one({ type: 'read', topic: 'things', criteria: { name: code } })), TOLD[code], code);
});

test('gooduncle:F14 gooduncle:F15 every code and every reason of the edge itself', async () => {
  using client = await Client.open(url);
  const deep = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`);
  const cases: readonly (readonly [object, string])[] = [
    [{}, 'bad request missing@type'],
    [{ type: 7 }, 'bad request type@type'],
    [{ type: 'fly' }, 'bad request unknown@type'],
    [{ type: 'read' }, 'bad request missing@topic missing@criteria'],
    [{ type: 'read', topic: 'nothing', criteria: {} }, 'bad request unknown@topic'],
    [{ type: 'read', topic: 'things', criteria: 7 }, 'bad request type@criteria'],
    [{ type: 'read', topic: 'things', criteria: {}, skip: 1 }, 'bad request unknown@skip'],
    [{ type: 'read', topic: 'things', criteria: { n: { $near: 1 } } }, 'bad request operator@criteria.n.$near'],
    [
      { type: 'read', topic: 'things', criteria: { n: { $in: Array.from({ length: 5000 }, (_, at) => at) } } },
      'bad request limit@criteria.n.$in',
    ],
    [{ type: 'read', topic: 'things', criteria: {}, limit: 0 }, 'bad request value@limit'],
    [{ type: 'read', topic: 'things', criteria: { name: 'none' } }, 'not found not found@criteria'],
    [{ type: 'read', topic: 'shown', criteria: { secret: 1 } }, 'forbidden field@criteria.secret'],
    [{ type: 'create', topic: 'shown', params: {} }, 'forbidden role@null'],
    [{ type: 'create', topic: 'things', params: { open: false } }, 'forbidden row@null'],
    [{ type: 'update', topic: 'things', criteria: {}, params: { id: 'x' } }, 'bad request immutable@params.id'],
    [{ type: 'create', topic: 'things', params: { __proto__x: 1, constructor: 1 } }, 'bad request value@params.constructor'],
    [{ type: 'create', topic: 'things', params: { n: deep } }, 'bad request too deep@null'],
    [{ type: 'upgrade', user: 'x', password: 'y' }, 'error internal@null'],
    [{ type: 'upgrade', token: 'x' }, 'forbidden credentials@null'],
    [{ type: 'unsubscribe', subscription: 'none' }, 'not found not found@subscription'],
  ];
  const told: (readonly [object, string])[] = [];
  for (const [request] of cases) told.push([request, saw(await client.one({ ...request }))]);
  assert.deepEqual(told, cases);
});

test('gooduncle:F17 above the rate the answer is slow down', async () => {
  using client = await Client.open(url);
  const refs = Array.from({ length: 1500 }, () => client.start({ type: 'unsubscribe', subscription: 'none' }));
  await client.until(() => refs.every((ref) => client.to(ref).length === 1) || client.closed !== undefined, 'all answers', 20_000);
  assert.ok(client.answers.some((answer) => saw(answer) === 'slow down rate@null'));
});

test('gooduncle:F14 no code and no reason is left out', () => {
  const here = Object.entries(PROVOKED).flatMap(([word, where]) => (where === 'here' ? [word] : []));
  assert.deepEqual(
    here.filter((word) => !seen.has(word)),
    [],
  );
});

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { graphGet } from '@polyedge/contracts/bus/graph';
import { type ErrorCode, errors } from '@polyedge/contracts/errors';
import { codeOf } from '../src/protocol/failures.ts';
import { Client } from './client.ts';
import { type LoneEdge, startLoneEdge } from './edge.ts';

const CODES = Object.keys(errors) as ErrorCode[];

let edge: LoneEdge;
before(async () => {
  edge = await startLoneEdge();
  // The id that is asked for is the failure.
  edge.bus.respond(graphGet, async ({ ids: [code] }) => ({
    ok: false,
    failure: { code: CODES.find((one) => one === code) ?? 'not-found' },
  }));
});
after(() => edge[Symbol.asyncDispose]());

/** Not by `fetch`, which refuses statuses above 599. */
function ask(port: number, path: string): Promise<{ readonly status: number; readonly type: string | undefined; readonly body: unknown }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, headers: { authorization: `Bearer ${edge.token()}` }, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], body: JSON.parse(text) });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('hiro:G22 every failure has its status and its code over REST, 888 as well', async () => {
  for (const code of CODES) {
    const { status, type, body } = await ask(edge.port, `/api/graph/7.4/${code}`);
    const { error } = body as { error: { code: number; message: string } };
    assert.deepEqual([status, type, error.code], [codeOf({ code }), 'application/json', codeOf({ code })], code);
    assert.equal(error.message, errors[code].text);
  }
});

test('hiro:G22 every failure has its code in a frame of graph-ws', async () => {
  using client = new Client(edge.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${edge.token()}`]);
  await client.open();
  for (const code of CODES) {
    client.send({ id: code, type: 'get', headers: { 'ogit/_id': code } });
    assert.deepEqual(await client.answer(code), [{ id: code, error: { code: codeOf({ code }), message: errors[code].text } }]);
  }
});

test('behind a proxy that refuses 888 the status is 500 and the body keeps the code', async () => {
  await using other = await startLoneEdge({ HIRO_STATUS888: '500' });
  other.bus.respond(graphGet, async () => ({ ok: false, failure: { code: 'busy' } }));
  const response = await fetch(`http://127.0.0.1:${other.port}/api/graph/7.4/v1`, {
    headers: { authorization: `Bearer ${other.token()}` },
  });
  assert.deepEqual([response.status, ((await response.json()) as { error: { code: number } }).error.code], [500, 888]);
});

test('a body for an unknown path is not read', async () => {
  for (const path of ['/api/auth/6.6/me/nothing', '/api/nothing', '/api/graph/7.4/a/b/c', '/a/b/c/d', '/query']) {
    const response = await fetch(`http://127.0.0.1:${edge.port}${path}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${edge.token()}`, 'content-type': 'image/png' },
      body: '\x89PNG',
    });
    assert.equal(response.status, 404, path);
  }
});

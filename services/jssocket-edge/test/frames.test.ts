/** Frames that cannot be read or are unknown, and the trace of a frame. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localBus } from '@polyedge/service-kit/local-bus';
import type { Span } from '@polyedge/service-kit/spans';
import { Core, Page, SECRET } from './doubles.ts';
import { startEdge } from './edge.ts';
import { edge, nothingElse } from './events-scene.ts';

test('jssocket:26 what cannot be read ends a client with 1011 and is ignored from a core', async () => {
  using core = await Core.start(edge.port);
  const unreadable = [
    '',
    'x',
    '[]',
    '7',
    '"x"',
    'null',
    '{}',
    '{"data":{}}',
    '{"type":{}}',
    '{"type":[]}',
    '{"type":"x"',
    '\ufeff{"type":"x"}',
    '{"type":"x","data":NaN}',
    '{"type":"x","data":1e999}',
    "{'type':'x'}",
    '{"type":"x",}',
    '{"type":"x","data":01}',
    '{"type":"x","data":"\t"}',
    `{"type":"x","data":${'['.repeat(2000)}${']'.repeat(2000)}}`,
    '{"type":"client_connect","data":"text"}',
    '{"type":"client_connect","data":[1]}',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
  ];
  for (const message of unreadable) {
    using page = await Page.visit(edge.port);
    page.send(message);
    assert.equal((await page.end()).code, 1011, String(message).slice(0, 40));
  }
  for (const data of [{ target: ['x'] }, { target: { a: 1 } }, 'text', [1], 7]) {
    using page = await Page.login(edge.port);
    page.event('notify_client', data);
    assert.equal((await page.end()).code, 1011);
    core.socket.event('notify_client', data);
    core.socket.event('client_connected', data);
  }
  for (const message of unreadable) core.socket.send(message);
  using page = await Page.login(edge.port);
  core.notifyAll('still here');
  assert.equal(await page.next(), 'still here');
  assert.ok(edge.lines.some((line) => line.includes('an event was ignored')));
});

test('jssocket:27 unknown types are ignored, whatever they look like', async () => {
  using _core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  for (const type of ['"connect"', '"__proto__"', '"constructor"', '"toString"', 'null', '7', 'true', '""'])
    page.send(`{"type":${type},"data":[1]}`);
  await nothingElse(page);
});

test("a client's frame is traced, to its end", async () => {
  const story: string[] = [];
  const span = (name: string): Span => ({
    traceparent: name,
    run: (work) => {
      story.push(name);
      return work();
    },
    end: (result) => void story.push(`${name} ${result}`),
  });
  const spans = {
    frame: (edge: string, type: string) => span(`${edge} ${type}`),
    call: span,
    request: span,
    handler: span,
    step: span,
    current: () => undefined,
  };
  await using traced = await startEdge({}, { bus: Object.assign(localBus(), { spans }) });
  using page = await Page.visit(traced.port);
  page.event('server_connect', { auth: SECRET });
  assert.deepEqual(await page.next(), { type: 'server_connect', data: true });
  assert.deepEqual(story, ['client frame', 'client frame ok']);
});

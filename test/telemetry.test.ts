/** Telemetry for operators: one write is one trace through all processes, and the metrics of the dashboard and the alerts exist. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';
import { type ExportedSpan, startTraceCollector } from '@polyedge/testkit/servers/trace-collector';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '..');

/** The tree of a trace, one span per line, each under its parent. */
function printed(spans: readonly ExportedSpan[], parent?: ExportedSpan, depth = 0): string {
  const known = new Set(spans.map(({ spanId }) => spanId));
  return spans
    .filter(({ parentSpanId = '' }) => (parent === undefined ? !known.has(parentSpanId) : parentSpanId === parent.spanId))
    .sort((one, other) => (BigInt(one.startTimeUnixNano) < BigInt(other.startTimeUnixNano) ? -1 : 1))
    .map((span) => {
      const took = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
      return `${'  '.repeat(depth)}${span.name} (${span.service}, ${took.toFixed(1)} ms)\n${printed(spans, span, depth + 1)}`;
    })
    .join('');
}

/** graph-store and hiro-edge, which export to the collector, and a token of the administrator. */
async function startTraced(stack: AsyncDisposableStack) {
  const collector = stack.use(await startTraceCollector());
  const [nats, redis, database] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) stack.use(part);
  const env = {
    ...{ NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn', POLYEDGE_ADMIN_PASSWORD: 'telemetry' },
    ...collector.env,
  };
  const store = stack.use(await startService({ name: 'graph-store', env }));
  const hiro = stack.use(await startService({ name: 'hiro-edge', env }));
  const login = await fetch(`${hiro.url}/api/auth/6.6/app`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'test', client_secret: '', username: 'admin', password: 'telemetry' }),
  });
  const { _TOKEN: token }: { _TOKEN: string } = JSON.parse(await login.text());
  return { collector, env, store, hiro, token };
}

test('one write is one trace, from the frame of the client through NATS and PostgreSQL to the change that a watcher gets; dashboard and alerts use existing metrics', async (t) => {
  await using stack = new AsyncDisposableStack();
  const { collector, env, store, hiro, token } = await startTraced(stack);
  const open = async (path: string, ...protocols: string[]) => {
    const socket = new WebSocket(`${hiro.url.replace('http', 'ws')}${path}`, [...protocols, `token-${token}`]);
    stack.defer(() => socket.terminate());
    await once(socket, 'open', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return socket;
  };
  const events = await open('/api/events-ws/6.1/?allscopes=true', 'events-1.0.0');
  events.send(
    JSON.stringify({
      type: 'register',
      args: { 'filter-id': 'all', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type=ogit/Note)' },
    }),
  );
  let heard = '';
  let heardAt = 0;
  events.on('message', (data) => {
    heard += String(data);
    heardAt = performance.timeOrigin + performance.now();
  });
  const graph = await open('/api/graph-ws/6.1/', 'graph-2.0.0');
  const write = (name: string) =>
    graph.send(JSON.stringify({ id: name, type: 'create', headers: { 'ogit/_type': 'ogit/Note' }, body: { 'ogit/name': name } }));
  // The watch begins when the registration is active, which the protocol does not announce: write until the first event arrives.
  let tries = 0;
  await until('an event comes', () => {
    if (tries % 25 === 0) write(`warm-${tries}`);
    tries += 1;
    return heard.includes('warm-');
  });
  collector.spans.length = 0;
  write('traced');
  await until('the event comes', () => heard.includes('traced'));

  const wanted = [
    'client frame',
    'write',
    'pe.cmd.graph.mutate.v1.{tenant} request',
    'pe.cmd.graph.mutate.v1.{tenant} handle',
    'batch in PostgreSQL',
    'lock and load',
    'write and commit',
    'publish change',
    'deliver change',
  ];
  const traceOf = () => {
    const ids = collector.spans.filter(({ name }) => name === 'deliver change').map(({ traceId }) => traceId);
    return ids
      .map((id) => collector.spans.filter(({ traceId }) => traceId === id))
      .find((spans) => wanted.every((name) => spans.some((span) => span.name === name)));
  };
  await until('the whole trace comes', () => traceOf() !== undefined);
  const trace = traceOf() ?? [];
  const tree = printed(trace);
  t.diagnostic(`\n${tree}`);
  assert.equal(tree.split('\n').filter((line) => line !== '' && !line.startsWith(' ')).length, 1, `one root:\n${tree}`);
  assert.deepEqual(new Set(trace.map(({ service }) => service)), new Set(['hiro-edge', 'graph-store']));
  assert.match(tree, /^client frame \(hiro-edge/);
  const delivered = Number(trace.find(({ name }) => name === 'deliver change')?.endTimeUnixNano) / 1e6;
  // The clocks of two processes differ by less than a millisecond.
  assert.ok(delivered < heardAt + 1, `the client heard of the change ${delivered - heardAt} ms before it was delivered`);
  for (const secret of ['telemetry', 'traced', token])
    assert.equal(JSON.stringify(trace).includes(secret), false, 'no payload and no secret in a trace');

  const exposed = new Set<string>();
  const named = new Set<string>();
  const runner = stack.use(await startService({ name: 'saga-runner', env }));
  const gooduncle = stack.use(await startService({ name: 'gooduncle-edge', env }));
  for (const service of [store, hiro, runner, gooduncle]) {
    const text = await (await fetch(service.metricsUrl)).text();
    for (const [, name = ''] of text.matchAll(/^([a-z_]+)(?:\{| )/gm)) exposed.add(name);
    for (const [, name = ''] of text.matchAll(/^# TYPE ([a-z_]+) (?:counter|gauge)$/gm)) named.add(name);
  }
  // Dashboards of others use them: none may change or go, and a new one is added to the list.
  const promised = readFileSync(join(root, 'infra/telemetry/metrics.txt'), 'utf8').trim().split('\n');
  assert.deepEqual([...named].sort(), promised, 'the names of counters and gauges are those of infra/telemetry/metrics.txt');
  const dashboard = JSON.parse(readFileSync(join(root, 'infra/telemetry/dashboard.json'), 'utf8'));
  const alerts = parse(readFileSync(join(root, 'infra/telemetry/alerts.yml'), 'utf8'));
  const expressions: string[] = [
    ...dashboard.panels.flatMap((panel: { targets?: { expr: string }[] }) => panel.targets?.map(({ expr }) => expr) ?? []),
    ...alerts.groups.flatMap((group: { rules: { expr: string }[] }) => group.rules.map(({ expr }) => expr)),
  ];
  assert.ok(expressions.length > 25);
  for (const expression of expressions) {
    for (const [name] of expression.replace(/\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)/g, '').matchAll(/\b[a-z]+_[a-z_]+\b/g)) {
      if (name === 'histogram_quantile') continue;
      assert.ok(exposed.has(name), `${name} (in ${expression}) is not a metric of ours`);
    }
  }
});

test('a REST call of every edge continues the trace of its caller, or begins one, down to the resulting change', async (t) => {
  await using stack = new AsyncDisposableStack();
  const { collector, env, hiro, token } = await startTraced(stack);
  const [saga, space] = await Promise.all(['saga-edge', 'space-edge'].map((name) => startService({ name, env })));
  assert.ok(saga !== undefined && space !== undefined);
  for (const edge of [saga, space]) stack.use(edge);
  let callers = 0;
  /** A traced call; returns its trace id. */
  const call = async (url: string, headers: Readonly<Record<string, string>>, body: unknown) => {
    callers += 1;
    const traceId = String(callers).padStart(32, 'a');
    const traceparent = `00-${traceId}-${'b'.repeat(16)}-01`;
    const asked = request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent, expect: '100-continue', ...headers },
    });
    asked.flushHeaders();
    // The body arrives in later events, which do not have the call's context.
    asked.once('continue', () => asked.end(JSON.stringify(body)));
    const [response]: IncomingMessage[] = await once(asked, 'response', { signal: AbortSignal.timeout(PATIENCE_MS) });
    assert.ok(response);
    const content = await text(response);
    return { status: response.statusCode ?? 0, content, traceId };
  };
  const seen = async (service: string, root: string, wanted: readonly string[], traceId?: string) => {
    const spansOf = () => {
      const roots = collector.spans.filter(
        (span) => span.service === service && span.name === root && (traceId === undefined || span.traceId === traceId),
      );
      return roots
        .map((first) => collector.spans.filter((span) => span.traceId === first.traceId))
        .find((spans) => wanted.every((name) => spans.some((span) => span.name === name)));
    };
    await until(`a trace of ${root} with ${wanted.join(', ')} comes`, () => spansOf() !== undefined);
    const spans = spansOf() ?? [];
    const tree = printed(spans);
    t.diagnostic(`\n${tree}`);
    const roots = tree.split('\n').filter((line) => line !== '' && !line.startsWith(' '));
    assert.equal(roots.length, 1, `one root:\n${tree}`);
    assert.ok(roots[0]?.startsWith(`${root} (${service}`), tree);
    for (const secret of ['telemetry', 'in a trace', token])
      assert.equal(JSON.stringify(spans).includes(secret), false, 'no payload, no secret');
    return spans.find((span) => span.name === root);
  };
  const mutate = 'pe.cmd.graph.mutate.v1.{tenant}';
  const written = [`${mutate} request`, `${mutate} handle`, 'batch in PostgreSQL', 'publish change'];
  const checked = ['pe.cmd.accounts.login.v1 request', 'pe.cmd.accounts.login.v1 handle'];

  // The login had no trace context.
  const first = await seen('hiro-edge', 'POST /api/auth/:version/app', checked);
  assert.equal(first?.parentSpanId ?? '', '', 'a trace of its own');
  const note = await call(`${hiro.url}/api/graph/7.4/new/ogit%2FNote`, { authorization: `Bearer ${token}` }, { 'ogit/name': 'in a trace' });
  assert.equal(note.status, 200, note.content);
  const span = await seen('hiro-edge', 'POST /api/graph/:version/*', written, note.traceId);
  assert.equal(span?.parentSpanId, 'b'.repeat(16), 'under the span of its caller');

  const user = await call(`${saga.url}/users/login`, {}, { username: 'admin', password: 'telemetry' });
  assert.equal(user.status, 200, user.content);
  await seen('saga-edge', 'POST /users/login', checked, user.traceId);
  const key = await call(`${space.url}/api/v1/users/authenticate`, {}, { username: 'admin', password: 'telemetry' });
  assert.equal(key.status, 200, key.content);
  await seen('space-edge', 'POST /api/v1/users/authenticate', checked, key.traceId);

  // An invalid trace context starts a new trace.
  const odd = await call(`${saga.url}/users/login`, { traceparent: 'odd' }, { username: 'nobody', password: 'telemetry' });
  assert.equal(odd.status >= 400, true);
  await until(
    'its span',
    () => collector.spans.filter(({ name, service }) => service === 'saga-edge' && name === 'POST /users/login').length === 2,
  );
});

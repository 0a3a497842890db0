/** Two journals with real clients of two organizations: each has one order of its own, in its own database, and nobody sees the other's. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { graphGet, graphMutate } from '@polyedge/contracts/bus/graph';
import { connectRedis } from '@polyedge/journal/redis';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { Client as GoodUncle } from '../services/gooduncle-edge/test/client.ts';
import { hashed } from '../services/gooduncle-edge/test/system.ts';
import { requestOf } from '../services/graph-store/test/running-store.ts';
import { Client as HiroClient } from '../services/hiro-edge/test/client.ts';
import { call, login } from '../services/hiro-edge/test/system.ts';
import { session } from '../services/saga-edge/test/client.ts';
import { Graph, HiroEvents, told } from './interplay/hiro-client.ts';
import { ADMINS, acmeAdmin, PLACED, SECOND, type System, startSystem } from './journals/system.ts';
import { runRounds } from './kill/rounds.ts';
import { withDatabase } from './with-database.ts';

/** Tenants of the changes in a journal's database, in the order of seq, without those of accounts. */
const tenantsIn = (url: string): Promise<{ readonly tenants: readonly string[]; readonly dense: boolean }> =>
  withDatabase(url, async (sql) => {
    const rows = await sql<{ tenant: string; seq: string }[]>`select tenant, seq from journal order by seq`;
    return {
      tenants: [...new Set(rows.map(({ tenant }) => tenant))].filter((tenant) => tenant !== 'system').sort(),
      dense: rows.every(({ seq }, at) => Number(seq) === at + 1),
    };
  });

suite('two journals', () => {
  let system: System;
  before(async () => {
    system = await startSystem();
  });
  after(() => system[Symbol.asyncDispose]());

  test('clients of an organization in another journal write, read, watch and share groups there, and nobody sees the other`s', async () => {
    const placed = system.tenants('place', PLACED, SECOND);
    assert.equal(placed.status, 0, placed.output);
    const bus = await system.bus();
    const account = await acmeAdmin(bus);
    await using open = new AsyncDisposableStack();
    const [hiro, saga, uncle] = await Promise.all([
      system.start('hiro-edge'),
      system.start('saga-edge'),
      system.start('gooduncle-edge', { GOODUNCLE_TENANT: PLACED, GOODUNCLE_SCOPE: 'acme-scope' }),
    ]);

    // HIRO: two administrators at one edge.
    const tokens = { default: await login(hiro.url, ADMINS.default), acme: await login(hiro.url, ADMINS.acme) };
    const graphs = {
      default: open.use(await Graph.open(hiro.port, tokens.default._TOKEN)),
      acme: open.use(await Graph.open(hiro.port, tokens.acme._TOKEN)),
    };
    const events = {
      default: open.use(await HiroEvents.open(hiro.port, tokens.default._TOKEN, graphs.default)),
      acme: open.use(await HiroEvents.open(hiro.port, tokens.acme._TOKEN, graphs.acme)),
    };
    const notes = {
      default: await graphs.default.create('ogit/Note', { '/of': 'default' }),
      acme: await graphs.acme.create('ogit/Note', { '/of': 'acme' }),
    };
    for (let n = 0; n < 20; n += 1) {
      await graphs.default.update(String(notes.default['ogit/_id']), { '/n': String(n) });
      await graphs.acme.update(String(notes.acme['ogit/_id']), { '/n': String(n) });
    }
    for (const who of ['default', 'acme'] as const) {
      const heard = (await events[who].heard()).map(told);
      assert.deepEqual(
        heard.map(({ version }) => version),
        Array.from({ length: 21 }, (_, at) => at + 1),
        `${who} heard its own note, once each, in order`,
      );
      assert.ok(heard.every(({ attributes }) => attributes['/of'] === who));
    }
    assert.deepEqual(await tenantsIn(system.urls.main), { tenants: ['default'], dense: true });
    assert.deepEqual(await tenantsIn(system.urls.second), { tenants: [PLACED], dense: true });

    // Its account is a vertex there, as it is in main.
    await until('the account as a vertex', async () => {
      const { status } = await call('GET', `${hiro.url}/api/graph/7.4/${encodeURIComponent(account)}`, tokens.acme._TOKEN);
      return status === 200;
    });

    // Saga: what one socket writes, another one hears, and its writer before the answer.
    const [writer, hearer] = [await session(saga.url, ADMINS.acme), await session(saga.url, ADMINS.acme)];
    open.defer(() => writer.close());
    open.defer(() => hearer.close());
    for (const each of [writer, hearer]) assert.equal((await each.send('/users/join', each.me)).status_code, 200);
    assert.equal((await writer.send('/users/properties', { parent_id: writer.me, name: 'mood', value: 1 })).status_code, 200);
    const own = writer.log.findIndex((entry) => 'ev' in entry && entry.ev === '/properties');
    assert.ok(own >= 0 && own < writer.log.findIndex((entry) => 'ack' in entry && entry.ack === '/users/properties'));
    assert.equal((await hearer.next('/properties')).value, 1);

    // A script of that organization is fired from its journal and writes there.
    await system.start('saga-runner', { RUNNER_TENANTS: PLACED });
    const scripted = await writer.api('POST', '/scripts', {
      name: 'doubles',
      path: '/users/properties/score',
      body: 'await UserProperty.add("double", property.value * 2, parent._id);',
    });
    assert.equal(scripted.status, 200, JSON.stringify(scripted.body));
    assert.equal((await writer.send('/users/properties', { parent_id: writer.me, name: 'score', value: 21 })).status_code, 200);
    await until('what the script wrote', () => hearer.events('/properties').some(({ name, value }) => name === 'double' && value === 42));

    // Good Uncle: an edge of that organization shows what its subscription matches, live.
    const client = open.use(await GoodUncle.open(uncle.url));
    const { response } = await client.one({ type: 'upgrade', user: ADMINS.acme.username, password: hashed(ADMINS.acme.password) });
    assert.equal(response.code, 'ok');
    const live = await client.subscribe({ subscription: 's1', topic: 'products', criteria: { kind: 'jam' } });
    await client.one({ type: 'create', topic: 'products', params: { kind: 'jam', name: 'plum' } });
    const [shown] = await live.next(1);
    assert.equal(shown?.response.payload.name, 'plum');

    // A consumer group of that organization, whose events come from the hot journal of the second journal.
    const member = open.use(
      new HiroClient(hiro.port, '/api/events-ws/6.2/?groupId=g&offset=smallest', ['events-1.0.0', `token-${tokens.acme._TOKEN}`]),
    );
    await member.open();
    member.send({
      type: 'register',
      args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = ogit/Note)' },
    });
    const versions = () =>
      member.frames.flatMap((frame) => (isEventOf(frame, String(notes.acme['ogit/_id'])) ? [frame.body['ogit/_v']] : []));
    await member.until(() => versions().length >= 21);
    assert.deepEqual(
      versions(),
      Array.from({ length: 21 }, (_, at) => at + 1),
      'a group began with the oldest and got each change once',
    );
    assert.deepEqual(await tenantsIn(system.urls.second), { tenants: [PLACED], dense: true });
    assert.deepEqual((await tenantsIn(system.urls.main)).tenants, ['default']);
    // Each hot journal is in a Redis of its own.
    const keys = { main: await keysIn(system.redisUrls.main), second: await keysIn(system.redisUrls.second) };
    assert.ok(keys.main.length > 0 && keys.main.every((key) => !key.includes('/')), keys.main.join(' '));
    assert.ok(keys.second.length > 0 && keys.second.every((key) => key.startsWith(`{pe:${SECOND}/`)), keys.second.join(' '));
    const listed = JSON.parse(system.tenants('list').output) as { readonly tenant: string; readonly journal: string }[];
    assert.deepEqual(
      listed.map(({ tenant, journal }) => ({ tenant, journal })),
      [
        { tenant: PLACED, journal: SECOND },
        { tenant: 'default', journal: 'main' },
      ],
    );

    // One journal stands still: the other one is served all the same, and the first goes on when it is back.
    system.stores.second.pause();
    await graphs.default.update(String(notes.default['ogit/_id']), { '/n': 'beside' });
    system.stores.second.resume();
    await graphs.acme.update(String(notes.acme['ogit/_id']), { '/n': 'again' });
    await until('the change of the journal that stood still', async () => versions().includes(22));
  });

  test('a tenant with data is not placed anew, and a journal refuses one that is in another: whoever asks there is sent on', async () => {
    const bus = await system.bus();
    const write = (to: Bus, tenant: string, id: string) =>
      to.request(
        graphMutate,
        graphMutate.subject({ tenant }),
        { defaultScope: 'scope', requests: [requestOf({ op: 'create', type: 'test/Thing', id, attributes: {} })] },
        { timeoutMs: 10_000 },
      );
    const before = await write(bus, 'busy', 'one');
    assert.ok(before.ok && before.value.outcomes[0]?.ok === true);
    const refused = system.tenants('place', 'busy', SECOND);
    assert.equal(refused.status, 1);
    assert.match(refused.output, /one with data is moved/);
    for (const [name, journal, why] of [
      ['default', SECOND, /stays in the journal main/],
      ['system', SECOND, /stays in the journal main/],
      [PLACED, 'third', /there is no journal third; there are main, second/],
    ] as const) {
      const { status, output } = system.tenants('place', name, journal);
      assert.equal(status, 1);
      assert.match(output, why);
    }

    // A bus that has not heard of the placement asks main, is refused there, and finds the tenant.
    assert.equal(system.tenants('place', 'later', SECOND).status, 0);
    const direct = busOf(bus, 'main');
    const wrong = await write(direct, 'later', 'two');
    assert.deepEqual(wrong, { ok: false, failure: { code: 'lost', detail: 'the tenant is in another journal' } });
    const right = await write(bus, 'later', 'two');
    assert.ok(right.ok && right.value.outcomes[0]?.ok === true, JSON.stringify(right));
    await until('reads are refused as well', async () => {
      const asked = await direct.request(graphGet, graphGet.subject({ tenant: 'later' }), { ids: ['two'] }, { timeoutMs: 5000 });
      return !asked.ok && asked.failure.code === 'lost';
    });
    const read = await bus.request(graphGet, graphGet.subject({ tenant: 'later' }), { ids: ['two'] }, { timeoutMs: 5000 });
    assert.equal(read.ok && read.value.elements[0]?.id, 'two');
    assert.deepEqual(await tenantsIn(system.urls.second), { tenants: [PLACED, 'later'], dense: true });
  });

  test('a backup holds both journals, and is restored into two empty databases as two new histories', async () => {
    await using parts = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'polyedge-journals-'));
    parts.defer(() => rmSync(folder, { recursive: true, force: true }));
    const made = copies('backup', join(folder, 'one'), system.env);
    assert.equal(made.status, 0, made.output);
    const [main, second] = [parts.use(await sharedPostgres()), parts.use(await sharedPostgres())];
    // Without the database of the second journal, nothing is restored.
    const lacking = copies('restore', join(folder, 'one'), { DATABASE_URL: main.url });
    assert.equal(lacking.status, 1);
    assert.match(lacking.output, /the backup holds the journal second/);
    const restored = copies('restore', join(folder, 'one'), { DATABASE_URL: main.url, POLYEDGE_JOURNALS: `${SECOND}=${second.url}` });
    assert.equal(restored.status, 0, restored.output);
    for (const [before, after] of [
      [system.urls.main, main.url],
      [system.urls.second, second.url],
    ] as const) {
      assert.deepEqual(await tenantsIn(after), await tenantsIn(before));
      assert.notEqual(await epochOf(after), await epochOf(before));
    }
    const sql = postgres(main.url, { max: 1, onnotice: () => {} });
    parts.defer(() => sql.end({ timeout: 1 }));
    assert.deepEqual(
      [...(await sql`select tenant, journal from placement order by tenant`)],
      [
        { tenant: PLACED, journal: SECOND },
        { tenant: 'later', journal: SECOND },
      ],
    );
  });
});

/** graph-store's own backup and restore. */
function copies(command: 'backup' | 'restore', folder: string, env: Readonly<Record<string, string>>) {
  const program = resolve(import.meta.dirname, '../services/graph-store/src/backup-cli.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, command, folder], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

async function keysIn(url: string): Promise<readonly string[]> {
  const redis = connectRedis({ url, name: 'test', onError: () => {} });
  try {
    await until('Redis', () => redis.status === 'ready');
    const [, keys] = await redis.scan('0', 'COUNT', 10_000);
    return keys;
  } finally {
    redis.disconnect();
  }
}

const epochOf = (url: string): Promise<unknown> =>
  withDatabase(url, async (sql) => {
    return (await sql`select epoch from sequencer`)[0]?.epoch;
  });

interface GroupEvent {
  readonly id: string;
  readonly body: { readonly 'ogit/_v': number };
}

const isEventOf = (frame: unknown, id: string): frame is GroupEvent =>
  typeof frame === 'object' && frame !== null && 'nanotime' in frame && 'id' in frame && frame.id === id;

test('nothing acknowledged is lost, doubled, out of order or kept from a subscriber of either journal while everything is killed and stopped', async (t) => {
  const seed = Number(process.env.KILL_SEED ?? 3);
  const result = await runRounds({ seed, rounds: 1, second: PLACED, report: (line) => t.diagnostic(line) });
  assert.deepEqual(result.problems, []);
  assert.ok(result.acknowledged > 100, `only ${result.acknowledged} writes were acknowledged`);
});

/** A tenant with data moves to another journal and back: everything of it is there, nothing of it is left behind, and nothing stops it for good. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { accountsPlacements } from '@polyedge/contracts/bus/accounts';
import type { Bus } from '@polyedge/service-kit/bus';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { requestOf } from '../services/graph-store/test/running-store.ts';
import { acmeAdmin, PLACED, SECOND, type System, startSystem } from './journals/system.ts';
import { addOthers, attempt, attemptOnce, contentsOf, fill, repeat, write } from './moves/contents.ts';
import { runMove } from './moves/stopping.ts';
import { moveUnderLoad } from './moves/under-load.ts';
import { withDatabase } from './with-database.ts';

/** Rows that name a tenant, by table. */
const rowsOf = (url: string, tenant: string): Promise<Readonly<Record<string, number>>> =>
  withDatabase(url, async (sql) => {
    const found: Record<string, number> = {};
    for (const table of [
      'element',
      'unique_key',
      'journal',
      'series_value',
      'content',
      'chunk',
      'consumer_group',
      'arrival',
      'arrival_seq',
      'departure',
    ]) {
      const [row] = await sql.unsafe<{ count: string }[]>(`select count(*) as count from ${table} where tenant = $1`, [tenant]);
      if (row?.count !== '0') found[table] = Number(row?.count);
    }
    return found;
  });

/** The groups of a tenant that began before its last change, in a journal that it was moved to: all of that would be their lag. */
const groupsThatBeganBefore = (url: string, tenant: string): Promise<number> =>
  withDatabase(url, async (sql) => {
    const found = await sql`
      select from consumer_group where tenant = ${tenant} and began_at < (select max(seq) from journal where tenant = ${tenant})`;
    return found.length;
  });

/** The version of the placements in which a tenant was placed last. */
async function placedSince(bus: Bus, tenant: string): Promise<number | undefined> {
  const asked = await bus.request(accountsPlacements, accountsPlacements.subject({}), {}, { timeoutMs: 30_000 });
  assert.ok(asked.ok);
  return asked.value.placements.find((placement) => placement.tenant === tenant)?.since;
}

/** A backup that was made during a move is restored: the move does not go on, since it is of another history, and can be undone. */
async function restoredInTheMiddle(system: System, tenant: string): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-moves-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [main, second] = [parts.use(await sharedPostgres()), parts.use(await sharedPostgres())];
  const program = resolve(import.meta.dirname, '../services/graph-store/src/backup-cli.ts');
  const copy = (command: string, env: Readonly<Record<string, string>>) =>
    spawnSync(process.execPath, [program, command, join(folder, 'one')], { env: { ...process.env, ...env }, encoding: 'utf8' });
  assert.equal(copy('backup', system.env).status, 0);
  const restored = copy('restore', { DATABASE_URL: main.url, POLYEDGE_JOURNALS: `${SECOND}=${second.url}` });
  assert.equal(restored.status, 0, restored.stderr);
  const urls = new Map(Object.entries({ main: main.url, [SECOND]: second.url }));
  await assert.rejects(runMove({ urls, tenant, target: SECOND }), /has begun another history since the move began: undo it/);
  assert.deepEqual((await runMove({ urls, tenant, target: 'main' })).moved, { is: 'was there' });
  assert.deepEqual(await rowsOf(second.url, tenant), {});
  assert.deepEqual(await rowsOf(main.url, tenant), await rowsOf(system.urls.main, tenant).then(({ departure: _, ...rest }) => rest));
}

suite('moving a tenant', () => {
  let system: System;
  let bus: Bus;
  before(async () => {
    system = await startSystem();
    bus = await system.bus();
  });
  after(() => system[Symbol.asyncDispose]());

  test('a tenant with something of everything is the same in the other journal, and after the way back', async () => {
    assert.equal(system.tenants('place', 'neighbour', SECOND).status, 0);
    await addOthers(bus, 'default', 3);
    await addOthers(bus, 'neighbour', 7);
    await acmeAdmin(bus);
    const requests = await fill(bus, PLACED);
    await addOthers(bus, 'default', 5);
    const before = { contents: await contentsOf(bus, PLACED), repeats: await repeat(bus, PLACED, requests) };
    for (const [journal, left] of [
      [SECOND, system.urls.main],
      ['main', system.urls.second],
    ] as const) {
      const since = await placedSince(bus, PLACED);
      const moved = system.tenants('move', PLACED, journal);
      assert.equal(moved.status, 0, moved.output);
      assert.match(moved.output, /its writes were refused for \d+ ms/);
      await bus.placements?.refresh();
      assert.equal(bus.placements?.journalOf(PLACED), journal);
      assert.deepEqual(await contentsOf(bus, PLACED), before.contents, `in ${journal}`);
      assert.deepEqual(await repeat(bus, PLACED, requests), before.repeats, `repeated in ${journal}`);
      assert.deepEqual(await rowsOf(left, PLACED), {}, 'nothing is left behind');
      const here = journal === 'main' ? system.urls.main : system.urls.second;
      assert.equal(await groupsThatBeganBefore(here, PLACED), 0);
      assert.ok(((await placedSince(bus, PLACED)) ?? 0) > (since ?? 0));
    }
    const again = system.tenants('move', PLACED, 'main');
    assert.deepEqual([again.status, again.output.trim()], [0, `the tenant ${PLACED} was in the journal main already`]);

    // What made writes exact came along.
    const taken = await attempt(bus, PLACED, {
      op: 'create',
      type: 'test/Person',
      id: 'dora',
      attributes: { mail: 'bert@example.org' },
      unique: ['mail'],
    });
    assert.equal(taken.ok ? '' : taken.failure.code, 'conflict');
    const invalid = await attempt(bus, PLACED, {
      op: 'create',
      type: 'test/Thing',
      id: 'bad',
      attributes: { body: {} },
      schema: { id: 'schema', attribute: 'of', of: 'body' },
    });
    assert.equal(invalid.ok ? '' : invalid.failure.code, 'invalid');
    await write(bus, PLACED, requestOf({ op: 'update', target: { id: 'first' }, set: { text: 'after' } }));
  });

  test('whichever step a run ends at, the tenant is written again at once, and the next run goes on', async () => {
    const urls = new Map(Object.entries({ main: system.urls.main, [SECOND]: system.urls.second }));
    const tenant = 'stepwise';
    const requests = await fill(bus, tenant);
    const { steps } = await runMove({ urls, tenant, target: SECOND });
    assert.ok(steps > 30, `${steps} steps`);
    // The last step of the move and what follows it, one by one; of what comes before, which is copying, some.
    const points = Array.from({ length: steps }, (_, at) => at + 1).filter(
      (at) => (at > steps - 26 && (at < steps - 12 || at % 3 === 0)) || at % 15 === 0,
    );
    let where: string = SECOND;
    for (const killedAt of points) {
      const target = where === SECOND ? 'main' : SECOND;
      await runMove({ urls, tenant, target, killedAt, done: killedAt % 2 === 0 });
      // The fence ends by itself, or what was decided is carried out by a replica: nobody waits for the next run.
      await until(`a write after the end at step ${killedAt}`, async () => {
        const written = await attemptOnce(bus, tenant, { op: 'update', target: { id: 'first' }, set: { text: `step ${killedAt}` } });
        return written?.ok === true;
      });
      const before = { contents: await contentsOf(bus, tenant), repeats: await repeat(bus, tenant, requests) };
      await runMove({ urls, tenant, target });
      await bus.placements?.refresh();
      assert.equal(bus.placements?.journalOf(tenant), target);
      assert.deepEqual(await contentsOf(bus, tenant), before.contents, `ended at step ${killedAt} on the way to ${target}`);
      assert.deepEqual(await repeat(bus, tenant, requests), before.repeats, `repeated after the end at step ${killedAt}`);
      assert.deepEqual(await rowsOf(where === 'main' ? system.urls.main : system.urls.second, tenant), {}, 'nothing is left behind');
      where = target;
    }
  });

  test('a run that stood still while another one took over changes nothing any more', async () => {
    const urls = new Map(Object.entries({ main: system.urls.main, [SECOND]: system.urls.second }));
    const tenant = 'twice';
    const requests = await fill(bus, tenant);
    const { steps } = await runMove({ urls, tenant, target: SECOND });
    let where: string = SECOND;
    // At the first piece, before the fence, under it, and where it decides.
    for (const back of [30, 24, 20, 18, 17, 16]) {
      const target = where === SECOND ? 'main' : SECOND;
      const before = { contents: await contentsOf(bus, tenant), repeats: await repeat(bus, tenant, requests) };
      // Transactions that stand still are ended by the database before long, and the other run goes on.
      const meanwhile = async (): Promise<void> => void (await runMove({ urls, tenant, target }));
      await runMove({ urls, tenant, target, stopped: { at: steps - back, meanwhile } }).catch((error: unknown) => {
        assert.ok(error instanceof Error);
      });
      await bus.placements?.refresh();
      assert.equal(bus.placements?.journalOf(tenant), target, `stood still ${back} steps before the end`);
      assert.deepEqual(await contentsOf(bus, tenant), before.contents);
      assert.deepEqual(await repeat(bus, tenant, requests), before.repeats);
      await runMove({ urls, tenant, target });
      assert.deepEqual(await rowsOf(where === 'main' ? system.urls.main : system.urls.second, tenant), {}, 'nothing is left behind');
      where = target;
    }
  });

  test('elements whose changes are not kept any more move as they are', async () => {
    const urls = new Map(Object.entries({ main: system.urls.main, [SECOND]: system.urls.second }));
    const tenant = 'old';
    await fill(bus, tenant);
    const sql = postgres(system.urls.main, { max: 1, onnotice: () => {} });
    try {
      // As retention does, in smaller parts than it can.
      await sql`delete from journal where seq <= (select seq from journal where tenant = ${tenant} and element = 'plain-5')`;
    } finally {
      await sql.end({ timeout: 1 });
    }
    const before = await contentsOf(bus, tenant);
    assert.ok(before.elements.length > 40 && before.changes.length < 40);
    assert.equal((await runMove({ urls, tenant, target: SECOND })).moved?.is, 'moved');
    await bus.placements?.refresh();
    assert.deepEqual(await contentsOf(bus, tenant), before);
    const taken = await attempt(bus, tenant, { op: 'create', type: 'test/Thing', id: 'other', xid: 'anna-x', attributes: {} });
    assert.equal(taken.ok ? '' : taken.failure.code, 'conflict');
  });

  test('a move that has begun is undone by moving the tenant to where it is, and another one cannot begin beside it', async () => {
    const urls = new Map(Object.entries({ main: system.urls.main, [SECOND]: system.urls.second }));
    const tenant = 'undecided';
    await fill(bus, tenant);
    const before = await contentsOf(bus, tenant);
    await runMove({ urls, tenant, target: SECOND, killedAt: 30 });
    assert.notDeepEqual(await rowsOf(system.urls.second, tenant), {});
    await restoredInTheMiddle(system, tenant);
    assert.deepEqual(await runMove({ urls, tenant, target: 'main' }).then(({ moved }) => moved), { is: 'was there' });
    assert.deepEqual(await rowsOf(system.urls.second, tenant), {});
    assert.deepEqual(await contentsOf(bus, tenant), before);
    for (const name of ['default', 'system']) {
      const { status, output } = system.tenants('move', name, SECOND);
      assert.equal(status, 1);
      assert.match(output, /stays in the journal main/);
    }
    assert.equal((await runMove({ urls, tenant, target: SECOND })).moved?.is, 'moved');
    await bus.placements?.refresh();
    assert.deepEqual(await contentsOf(bus, tenant), before);
  });
});

test('a tenant moves under writers while the mover, a replica and the servers are killed: nothing is lost, doubled or out of order', async (t) => {
  const seed = Number(process.env.MOVE_SEED ?? 5);
  const report = (line: string): void => t.diagnostic(line);
  const { problems, legs, acknowledged } = await moveUnderLoad({
    seed,
    elements: 500,
    plans: [
      { name: 'the mover killed', strikes: ([0, 'compared', 'removing'] as const).map((at) => ({ fault: 'the mover', at })) },
      ...(['PostgreSQL of the target', 'PostgreSQL of the source', 'a replica'] as const).map((fault) => ({
        name: `${fault} killed`,
        strikes: [{ fault, at: 'compared' as const }],
      })),
    ],
    report,
  });
  assert.deepEqual(problems.slice(0, 20), []);
  assert.equal(legs.length, 4);
  for (const { name, struck } of legs) assert.ok(struck.length > 0, `${name}, and it was not`);
  assert.ok(acknowledged > 100, `only ${acknowledged} writes were acknowledged`);
});

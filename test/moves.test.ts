/** A tenant with data moves to another journal and back: everything of it is there, nothing of it is left behind, and nothing stops it for good. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Bus } from '@polyedge/service-kit/bus';
import postgres from 'postgres';
import { requestOf } from '../services/graph-store/test/running-store.ts';
import { acmeAdmin, PLACED, SECOND, type System, startSystem } from './journals/system.ts';
import { addOthers, attempt, contentsOf, fill, repeat, write } from './moves/contents.ts';

/** Rows that name a tenant, by table. */
async function rowsOf(url: string, tenant: string): Promise<Readonly<Record<string, number>>> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
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
  } finally {
    await sql.end({ timeout: 1 });
  }
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
      const moved = system.tenants('move', PLACED, journal);
      assert.equal(moved.status, 0, moved.output);
      assert.match(moved.output, /its writes were refused for \d+ ms/);
      await bus.placements?.refresh();
      assert.equal(bus.placements?.journalOf(PLACED), journal);
      assert.deepEqual(await contentsOf(bus, PLACED), before.contents, `in ${journal}`);
      assert.deepEqual(await repeat(bus, PLACED, requests), before.repeats, `repeated in ${journal}`);
      assert.deepEqual(await rowsOf(left, PLACED), {}, 'nothing is left behind');
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
});

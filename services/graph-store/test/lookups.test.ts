/** Reads by id that share statements: each has the answer that it would have alone, whatever the others ask for. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import fc from 'fast-check';
import { isPassing } from '../src/postgres/link.ts';
import { type Lookup, Lookups, type RowsAtSeq } from '../src/postgres/lookups.ts';
import { CallerGone, Pool, PoolFull } from '../src/postgres/pool.ts';
import type { ElementRow } from '../src/postgres/rows.ts';
import { preparedPool } from './prepared-pool.ts';

type Prepared = Awaited<ReturnType<typeof preparedPool>>;

const TENANTS = ['here', 'other', 'moved'];
const IDS = ['one', 'two', 'account', 'it\'s "odd" \\ \n', 'hidden', 'nothing'];
const MAX_ELEMENTS = 14;

let prepared: Prepared;
before(async () => {
  prepared = await preparedPool();
  const { sql } = prepared.pool;
  const insert = (tenant: string, id: string, type: string, scope: string, attributes: object) => sql`
    insert into element (tenant, id, kind, type, scope, attributes, version, seq,
      created_on, created_by, created_app, modified_on, modified_by, modified_app, deleted)
    values (${tenant}, ${id}, 'vertex', ${type}, ${scope}, ${JSON.stringify(attributes)}::text::jsonb, 1, 1, 1, 'me', 'app', 1, 'me', 'app', false)`;
  for (const tenant of TENANTS)
    for (const id of IDS.slice(0, 4)) await insert(tenant, id, 'test/Thing', 'scope', { of: `${tenant} ${id}` });
  for (const tenant of TENANTS) await insert(tenant, 'hidden', 'test/Thing', 'system', {});
  await insert('system', 'account', 'polyedge/Account', 'system', { tenant: 'here' });
  await sql`insert into away (tenant, journal, until) values ('moved', 'second', null)`;
});
after(() => prepared[Symbol.asyncDispose]());

const lookup = (ids: readonly string[], more: Partial<Lookup> = {}): Lookup => ({
  tenant: 'here',
  ids,
  accounts: false,
  deadline: Number.POSITIVE_INFINITY,
  ...more,
});
const shown = (found: RowsAtSeq<ElementRow> | undefined) => found?.rows.map(({ tenant, id, attributes }) => ({ tenant, id, attributes }));

/** Lookups on the prepared connection, and how many statements they have begun. */
function counted() {
  let statements = 0;
  const lookups = new Lookups({
    run: (work, deadline) =>
      prepared.pool.run((connection) => {
        statements += 1;
        return work(connection);
      }, deadline),
  });
  return { lookups, statements: () => statements };
}

/** Occupies the only connection until the returned function is called. */
async function occupied(): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  void prepared.pool.run(async () => {
    begin();
    await promise;
  });
  await begun;
  return resolve;
}

test('lookups that wait for a connection together find the same elements as each would alone', async () => {
  const arbitrary = fc.record({
    tenant: fc.constantFrom(...TENANTS),
    ids: fc.uniqueArray(fc.oneof(fc.constantFrom(...IDS), fc.string()), { minLength: 1, maxLength: 4 }),
    accounts: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(arbitrary, { minLength: 1, maxLength: 12 }), async (asked) => {
      const { lookups } = counted();
      const wanted = asked.map(({ tenant, ids, accounts }) => lookup(ids, { tenant, accounts }));
      const outcome = (found: Promise<RowsAtSeq<ElementRow> | undefined>) => found.then(shown, (error: unknown) => String(error));
      const alone = [];
      for (const one of wanted) alone.push(await outcome(lookups.find(one)));
      const release = await occupied();
      const together = wanted.map((one) => outcome(lookups.find(one)));
      release();
      assert.deepEqual(await Promise.all(together), alone);
    }),
    { numRuns: 60 },
  );
  const found = await new Lookups(prepared.pool).find(lookup(['account'], { accounts: true }));
  assert.deepEqual(found?.rows.map(({ tenant }) => tenant).sort(), ['here', 'system']);
});

test('a statement reads at most as many elements as always fit into an answer', async () => {
  const { lookups, statements } = counted();
  const release = await occupied();
  const found = Array.from({ length: 4 * MAX_ELEMENTS }, () => lookups.find(lookup(['one'])));
  const withAccounts = Array.from({ length: MAX_ELEMENTS }, () => lookups.find(lookup(['one'], { accounts: true })));
  release();
  for (const one of await Promise.all([...found, ...withAccounts])) assert.equal(one?.rows.length, 1);
  assert.equal(statements(), 6);
});

test('an id that PostgreSQL refuses fails its own lookup, and none of those that travel with it', async () => {
  const { lookups, statements } = counted();
  const release = await occupied();
  const good = [lookups.find(lookup(['one'])), lookups.find(lookup(['two'], { tenant: 'other' }))];
  const bad = assert.rejects(lookups.find(lookup(['a\0b'])), { code: '22P05' });
  release();
  await bad;
  assert.deepEqual(
    (await Promise.all(good)).map((one) => one?.rows.map(({ attributes }) => attributes.of)),
    [['here one'], ['other two']],
  );
  assert.equal(statements(), 4);
});

test('a connection that ends during a shared statement costs no lookup its answer; that of a lone one fails', async () => {
  const { lookups } = counted();
  await using blocking = await blockedElements();
  const first = assert.rejects(lookups.find(lookup(['one'])), isPassing);
  await blocking.waits();
  const more = [lookups.find(lookup(['one'])), lookups.find(lookup(['two']))];
  await blocking.endWaiting();
  await first;
  await blocking.waits();
  await blocking.endWaiting();
  await blocking.waits();
  await blocking.release();
  assert.deepEqual(
    (await Promise.all(more)).map((one) => one?.rows.length),
    [1, 1],
  );
});

test('a lookup whose caller has gone is not sent, and more than enough are refused', async () => {
  const { lookups, statements } = counted();
  const release = await occupied();
  const gone = assert.rejects(lookups.find(lookup(['one'], { deadline: performance.now() + 5 })), CallerGone);
  await until('it has gone', () => new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 6)));
  const waiting = Array.from({ length: 1999 }, () => lookups.find(lookup(['one'], { deadline: performance.now() })));
  const settled = Promise.allSettled(waiting);
  await assert.rejects(lookups.find(lookup(['one'])), PoolFull);
  release();
  await gone;
  for (const one of await settled) assert.equal(one.status, 'rejected');
  assert.equal(statements(), 1);
});

/** Locks the table of elements from another connection. */
async function blockedElements() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const other = new Pool({ ...prepared.options, name: 'blocking', max: 2 });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const held = other.run(async (connection) => {
    await connection`begin`;
    await connection`lock table element in access exclusive mode`;
    begin();
    await promise;
    await connection`commit`;
  });
  await begun;
  const waiting = async () =>
    await other.sql<{ pid: number }[]>`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const release = async () => {
    resolve();
    await held;
  };
  return {
    waits: () => until('a statement waits for the table', async () => (await waiting()).length > 0),
    endWaiting: async () => {
      const pids = (await waiting()).map(({ pid }) => pid);
      for (const pid of pids) await other.sql`select pg_terminate_backend(${pid})`;
      await until('it has ended', async () => (await waiting()).every(({ pid }) => !pids.includes(pid)));
    },
    release,
    [Symbol.asyncDispose]: async () => {
      await release();
      await other.end();
    },
  };
}

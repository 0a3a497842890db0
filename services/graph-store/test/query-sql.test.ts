import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Document } from '@polyedge/query/document';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import { compareBy, cursorOf, parseQuery, type Sort } from '@polyedge/query/query';
import { parseFilter } from '@polyedge/query/validate';
import { type SharedServer, sharedPostgres } from '@polyedge/testkit/servers/shared';
import fc from 'fast-check';
import postgres from 'postgres';
import { compileQuery } from '../src/core/query-sql.ts';
import { conditions, documents, filtersOf, geoConditions, placed, sorts } from './arbitraries.ts';

const table = `create table element (
  tenant text not null collate "C", id text not null collate "C", kind text not null, type text not null collate "C", scope text not null, xid text, attributes jsonb not null,
  version bigint not null, seq bigint not null, deleted boolean not null,
  created_on bigint not null, created_by text not null, created_app text not null,
  modified_on bigint not null, modified_by text not null, modified_app text not null,
  out_id text, in_id text, out_type text, in_type text, primary key (tenant, id));
create index on element using gin (attributes jsonb_path_ops);
create index on element (tenant, type, id); create index on element (tenant, xid); create index on element (tenant, out_id)`;

const filters = filtersOf(conditions);
let server: SharedServer;
let sql: postgres.Sql;

before(async () => {
  server = await sharedPostgres();
  sql = postgres(server.url, { max: 1, prepare: false, onnotice: () => {} });
  await sql.unsafe(table);
});

after(async () => {
  await sql.end({ timeout: 1 });
  await server[Symbol.asyncDispose]();
});

/** Makes the documents the only ones of tenant `t`, under distinct ids, with copies in another tenant that must never be found. */
async function store(given: readonly Document[], indexed: boolean): Promise<readonly Document[]> {
  const seen = new Set<string>();
  const stored = given.filter(({ id }) => !seen.has(id) && seen.add(id));
  const rows = stored.map(({ created, modified, out, in: into, outType, inType, ...rest }) => ({
    ...rest,
    created_on: created.on,
    created_by: created.by,
    created_app: created.app,
    modified_on: modified.on,
    modified_by: modified.by,
    modified_app: modified.app,
    out_id: out,
    in_id: into,
    out_type: outType,
    in_type: inType,
  }));
  await sql.unsafe(`set enable_seqscan = ${indexed ? 'off' : 'on'}; truncate element`);
  await sql.unsafe(
    `insert into element select tenants.tenant, row.id, row.kind, row.type, row.scope, row.xid, row.attributes, row.version, row.seq, row.deleted,
       row.created_on, row.created_by, row.created_app, row.modified_on, row.modified_by, row.modified_app,
       row.out_id, row.in_id, row.out_type, row.in_type
     from (values ('t'), ('u')) as tenants(tenant), jsonb_populate_recordset(null::element, $1::text::jsonb) as row`,
    [JSON.stringify(rows)],
  );
  return stored;
}

async function idsOf(query: { filter: Filter; sort?: readonly Sort[]; limit?: number; cursor?: string }): Promise<readonly string[]> {
  const parsed = parseQuery({ limit: 1000, ...query });
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  const { text, values } = compileQuery('t', parsed.value);
  const rows = await sql.unsafe<{ id: string }[]>(text, [...values]);
  return rows.map(({ id }) => id);
}

const byId = compareBy([]);

async function agree(given: readonly Document[], wanted: readonly Filter[], indexed: boolean): Promise<void> {
  const stored = await store(given, indexed);
  for (const filter of wanted) {
    const parsed = parseFilter(filter);
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
    const matches = compile(parsed.value);
    const expected = stored.filter(matches).sort(byId);
    assert.deepEqual(
      await idsOf({ filter: parsed.value }),
      expected.map(({ id }) => id),
      JSON.stringify(filter),
    );
  }
}

const runs = Number(process.env.QUERY_RUNS ?? 60);

test('the SQL of a filter finds exactly the elements that its predicate accepts', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(documents, { minLength: 10, maxLength: 30 }),
      fc.array(filters, { minLength: 10, maxLength: 20 }),
      fc.boolean(),
      agree,
    ),
    { numRuns: runs },
  );
});

test('distances, boxes and polygons give the same elements in SQL and in memory', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(placed, { minLength: 10, maxLength: 30 }),
      fc.array(filtersOf(geoConditions), { minLength: 10, maxLength: 20 }),
      fc.boolean(),
      agree,
    ),
    { numRuns: runs },
  );
});

test('pages follow each other in the order of compareBy without gap or repetition', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(documents, placed), { minLength: 5, maxLength: 20 }),
      sorts,
      fc.integer({ min: 1, max: 7 }),
      async (given, sort, limit) => {
        const stored = await store(given, false);
        const expected = [...stored].sort(compareBy(sort)).map(({ id }) => id);
        assert.deepEqual(await idsOf({ filter: { all: [] }, sort }), expected);
        const paged: string[] = [];
        let cursor: string | undefined;
        for (let page = 0; page <= stored.length; page++) {
          const ids = await idsOf({ filter: { all: [] }, sort, limit, ...(cursor !== undefined && { cursor }) });
          paged.push(...ids);
          const last = stored.find(({ id }) => id === ids.at(-1));
          if (last === undefined) break;
          cursor = cursorOf(last, sort);
        }
        assert.deepEqual(paged, expected);
      },
    ),
    { numRuns: runs },
  );
});

test('nothing a client sends becomes part of the statement', () => {
  const evil = "x'); drop table element; --";
  const path = ['attributes', evil];
  const filter = {
    all: [
      { test: 'equal', path, value: evil },
      { test: 'equal', path, value: { [evil]: [evil] } },
      { test: 'in', path: ['id'], values: [evil] },
      { test: 'in', path, values: Array.from({ length: 40 }, (_, at) => evil + at) },
      { test: 'less', path, value: evil },
      { test: 'contains', path, value: evil },
      { test: 'starts-with', path, value: evil },
      { test: 'present', path },
      { test: 'text-equal', path, value: evil },
      { test: 'text-equal', path, value: '77', numeric: true },
      { test: 'text-less', path: ['type'], value: evil },
      { test: 'text-like', path, pattern: `${evil}*`, fold: true },
      { test: 'text-words', path, value: evil },
      { test: 'near', path, point: [77, 77], maxMeters: 77 },
      { test: 'within', path, box: [-77, -77, 77, 77] },
      { test: 'inside', path, polygon: [[[77, 77]]] },
    ],
  };
  const parsed = parseQuery({
    filter,
    sort: [
      { path, order: 'asc' },
      { path, order: 'desc', near: [77, 77] },
    ],
    limit: 77,
    skip: 77,
  });
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  const { text } = compileQuery(evil, parsed.value);
  assert.ok(!text.includes('drop') && !text.includes('--'));
  assert.ok(!/[^$]\b77\b/.test(text));
});

test('a forged cursor finds nothing or another page, but never fails', async () => {
  await store(fc.sample(documents, { numRuns: 20, seed: 1 }), false);
  const sort: readonly Sort[] = [
    { path: ['xid'], order: 'asc' },
    { path: ['seq'], order: 'desc' },
    { path: ['deleted'], order: 'asc' },
    { path: ['attributes', 'a'], order: 'desc', near: [0, 0] },
    { path: ['attributes', 'a'], order: 'asc' },
  ];
  const [sample] = fc.sample(documents, { numRuns: 1, seed: 2 });
  assert.ok(sample !== undefined);
  const [mark] = JSON.parse(Buffer.from(cursorOf(sample, sort), 'base64url').toString());
  const key = fc.constantFrom(null, true, 1, 1.5, -1e300, 'a', '', [], {});
  await fc.assert(
    fc.asyncProperty(fc.array(key, { minLength: 5, maxLength: 5 }), async (forged) => {
      const cursor = Buffer.from(JSON.stringify([mark, 'x', ...forged])).toString('base64url');
      await idsOf({ filter: { all: [] }, sort, cursor });
    }),
    { numRuns: runs },
  );
});

test('count gives the number of all matches, whatever the limit', async () => {
  const stored = await store(fc.sample(documents, { numRuns: 30, seed: 3 }), false);
  const { text, values } = compileQuery('t', { filter: { test: 'equal', path: ['kind'], value: 'edge' }, sort: [], limit: 1, count: true });
  const [row] = await sql.unsafe<{ count: string }[]>(text, [...values]);
  assert.equal(Number(row?.count), stored.filter(({ kind }) => kind === 'edge').length);
});

test('equality on attributes and on ids is answered by an index', async () => {
  await store([], false);
  await sql.unsafe(`insert into element select 't', 'id' || n, 'vertex', 'note', 's', 'x' || n, jsonb_build_object('name', 'n' || n, 'tags', array['t' || n]),
    1, n, false, 0, '', '', 0, '', '' from generate_series(1, 20000) as n`);
  await sql.unsafe('vacuum analyze element');
  const name = ['attributes', 'name'];
  const found = async (filter: Filter): Promise<string> => {
    const { text, values } = compileQuery('t', { filter, sort: [], limit: 10 });
    const plan = await sql.unsafe<{ 'QUERY PLAN': string }[]>(`explain ${text}`, [...values]);
    const rows = await sql.unsafe(text, [...values]);
    assert.equal(rows.length, 1, text);
    return plan.map((row) => row['QUERY PLAN']).join('\n');
  };
  assert.match(await found({ test: 'equal', path: name, value: 'n77' }), /attributes_idx/);
  assert.match(await found({ test: 'in', path: name, values: ['n77', 'zz'] }), /attributes_idx/);
  assert.match(await found({ test: 'text-equal', path: name, value: 'n77' }), /attributes_idx/);
  assert.match(await found({ test: 'text-equal', path: ['attributes', 'tags'], value: 't77' }), /attributes_idx/);
  assert.match(await found({ test: 'equal', path: ['xid'], value: 'x77' }), /xid_idx/);
  assert.match(await found({ test: 'in', path: ['id'], values: ['id77', 'zz'] }), /pkey/);
  assert.match(
    await found({
      all: [
        { test: 'equal', path: ['type'], value: 'note' },
        { test: 'text-equal', path: name, value: 'n77' },
      ],
    }),
    /attributes_idx/,
  );
});

test('paging by creation time starts where the cursor says, in an index', async () => {
  await store([], false);
  await sql.unsafe(`insert into element select 't', 'id' || n, 'vertex', 'note', 's', null, '{}', 1, n, false, n, '', '', 0, '', ''
    from generate_series(1, 20000) as n`);
  await sql.unsafe('create index element_created on element (tenant, created_on, id)');
  await sql.unsafe('vacuum analyze element');
  const [sample] = fc.sample(documents, { numRuns: 1, seed: 4 });
  assert.ok(sample !== undefined);
  const sort: readonly Sort[] = [{ path: ['created', 'on'], order: 'asc' }];
  const cursor = cursorOf({ ...sample, id: 'id15000', created: { on: 15_000, by: '', app: '' } }, sort);
  const { text, values } = compileQuery('t', { filter: { all: [] }, sort, limit: 2, cursor });
  const rows = await sql.unsafe<{ id: string }[]>(text, [...values]);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['id15001', 'id15002'],
  );
  const plan = await sql.unsafe<{ 'QUERY PLAN': string }[]>(`explain ${text}`, [...values]);
  assert.match(plan.map((row) => row['QUERY PLAN']).join('\n'), /element_created[\s\S]*Index Cond: .*created_on >= /);
  await sql.unsafe('drop index element_created');
});

test('the largest filter that is accepted still fits one statement', async () => {
  const key = (at: number): string => at.toString(36);
  const path = (at: number) => ['attributes', ...Array.from({ length: 14 }, (_, level) => key(at * 14 + level))];
  const some = Array.from({ length: 300 }, (_, at) => ({
    test: 'in',
    path: path(at),
    values: Array.from({ length: 32 }, (_, item) => [at * 32 + item]),
  }));
  const accepted = some.slice(0, 150);
  const more = Array.from({ length: 840 }, (_, at) => ({ test: 'text-equal', path: path(1000 + at), value: key(20_000 + at) }));
  const all = [...accepted, ...more];
  assert.ok(!parseFilter({ any: some }).ok, 'too many values');
  const parsed = parseFilter({ any: all });
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  await store([], false);
  assert.deepEqual(await idsOf({ filter: parsed.value }), []);
});

test('a pattern of many stars over a long text costs milliseconds', async () => {
  await store([], false);
  await sql.unsafe(`insert into element select 't', 'long', 'vertex', 'note', 's', null, jsonb_build_object('a', repeat('a', 100000)),
    1, 1, false, 0, '', '', 0, '', ''`);
  await sql.unsafe("set statement_timeout = '5s'");
  const path = ['attributes', 'a'];
  for (const pattern of [`${'*a'.repeat(400)}*b`, `${'*a?'.repeat(300)}*b`, `*${'a'.repeat(500)}b*`]) {
    assert.deepEqual(await idsOf({ filter: { test: 'text-like', path, pattern, fold: true } }), []);
  }
  assert.deepEqual(await idsOf({ filter: { test: 'text-words', path, value: 'b '.repeat(500) } }), []);
});

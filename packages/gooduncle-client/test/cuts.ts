/**
 * A client behind a proxy that cuts its connections again and again, and leads them to one replica or the other: its rows are compared with
 * what was written, at every version that it says they are of.
 */
import assert from 'node:assert/strict';
import { openGateway } from '@polyedge/testkit/servers/gateway';
import type { RunningService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import { Client } from '../../../services/gooduncle-edge/test/client.ts';
import { Chance } from '../../../services/gooduncle-edge/test/exactness.ts';
import { type System, USERS } from '../../../services/gooduncle-edge/test/system.ts';
import { GoodUncle, type Live, type Resource, type Update } from '../src/index.ts';
import { compareBy } from '../src/order.ts';

interface Product {
  readonly kind: string;
  readonly name: string;
  readonly n: number;
}
type Row = Resource<Product>;

interface Watched {
  readonly what: string;
  readonly live: Live<Row>;
  readonly updates: Update<Row>[];
  /** What a read gives, of all rows of the run. */
  expected(rows: readonly Row[]): readonly object[];
}

export interface Seen {
  cuts: number;
  restarts: number;
  /** Times that a subscription said `synced` after the rows were read anew, each compared. */
  synced: number;
  /** Versions after single events that were compared. */
  versions: number;
  writes: number;
  /** Resources created through the cut connection; each is there once. */
  created: number;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const NAMES = ['a', 'b', 'c', 'é', '\u{1f600}', '\uffee'];

/** What was written, by version. */
class History {
  readonly #states: { readonly version: number; readonly rows: readonly Row[] }[] = [{ version: 0, rows: [] }];

  get rows(): readonly Row[] {
    return this.#states.at(-1)?.rows ?? [];
  }

  add(version: number, rows: readonly Row[]): void {
    if (version > (this.#states.at(-1)?.version ?? 0)) this.#states.push({ version, rows });
  }

  at(version: number): readonly Row[] {
    return this.#states.findLast((state) => state.version <= version)?.rows ?? [];
  }
}

/**
 * @param options `others`: replicas that the client is led to besides the system's own edge; the first of them is restarted now and then
 */
export async function withCuts(options: {
  readonly system: System;
  readonly others: readonly RunningService[];
  readonly seed: number;
  readonly cuts: number;
  readonly untilMs?: number;
  readonly restartEvery: number;
  readonly report?: (line: string) => void;
}): Promise<Seen> {
  const { system, others, seed } = options;
  const chance = new Chance(seed);
  const seen: Seen = { cuts: 0, restarts: 0, synced: 0, versions: 0, writes: 0, created: 0 };
  await using parts = new AsyncDisposableStack();
  const ports = [system.edge, ...others].map(({ port }) => port);
  const proxy = parts.use(await openGateway(() => chance.of(ports)));
  const writer = parts.use(await Client.open(system.edge.url, 'admin'));
  const url = `ws://127.0.0.1:${proxy.port}`;
  const backOffMs = { least: 4, most: 40 };
  const reader = new GoodUncle<{ products: Product }>(url, { backOffMs });
  // Each login takes as long as a password takes to check: a create may need many connections until one lives so long.
  const creator = new GoodUncle<{ products: Product }>(url, { backOffMs, patienceMs: 300_000 });
  parts.defer(() => {
    reader.close();
    creator.close();
  });
  const { user, password } = USERS.admin;
  assert.ok((await creator.upgrade({ user, passwordHash: password })).ok);
  const kind = `cuts${seed}`;
  const watched = watch(reader, kind);
  const history = new History();
  const creates: Promise<unknown>[] = [];

  while (seen.cuts < options.cuts && performance.now() < (options.untilMs ?? Number.POSITIVE_INFINITY)) {
    for (let left = chance.below(4); left > 0; left -= 1) {
      await write(writer, history, chance, kind);
      seen.writes += 1;
    }
    if (chance.below(4) === 0) {
      seen.created += 1;
      const params = { kind: `${kind}-own`, name: `${seen.created}`, n: 0 };
      const create = creator
        .create('products', params)
        .then((made) => assert.equal(made.ok && made.resource.name, params.name, JSON.stringify(made)));
      // Looked at in the end, all together.
      create.catch(() => {});
      creates.push(create);
    }
    // Half of the cuts come in the middle of whatever the client is doing.
    if (chance.below(2) === 0) await wait(chance.below(40));
    else await allSynced(watched);
    if (chance.below(4) === 0) {
      for (let left = 4; left > 0; left -= 1) await write(writer, history, chance, kind);
      seen.writes += 4;
    }
    if (seen.cuts % 20 === 19) {
      await allSynced(watched);
      compare(watched, history, seen);
      options.report?.(JSON.stringify(seen));
    }
    const [restarted] = others;
    if (restarted !== undefined && seen.cuts % options.restartEvery === options.restartEvery - 1) {
      await restarted.restart();
      seen.restarts += 1;
    }
    proxy.cut();
    proxy.mend();
    seen.cuts += 1;
  }
  await Promise.all(creates);
  await allSynced(watched);
  for (const { what, live, expected } of watched) {
    await until(`${what}: its rows are what was written`, () => same(live.rows.map(inOrder), expected(history.rows)), {
      seen: () => [live.rows, expected(history.rows)],
    });
  }
  compare(watched, history, seen);
  const reread = await writer.ask({ type: 'read', topic: 'products', criteria: { kind } });
  const rows = reread.flatMap(({ response }) => (response.code === 'ok' ? [response.payload as Resource<unknown> as Row] : []));
  for (const { what, live, expected } of watched) assert.deepEqual(live.rows.map(inOrder), expected(rows), `${what} is what a read gives`);
  const own = await reader.read({ topic: 'products', criteria: { kind: `${kind}-own` } });
  const names = own.ok ? own.rows.map(({ name }) => Number(name)).sort((a, b) => a - b) : [];
  assert.deepEqual(
    names,
    Array.from({ length: seen.created }, (_, at) => at + 1),
    'each was created once',
  );
  return seen;
}

const same = (left: readonly object[], right: readonly object[]): boolean => JSON.stringify(left) === JSON.stringify(right);
const allSynced = (watched: readonly Watched[]): Promise<boolean> =>
  until('all are synced', () => watched.every(({ live }) => live.state === 'synced'), {
    seen: () => watched.map(({ what, live }) => `${what} ${live.state} ${JSON.stringify(live.failure)}`).join('; '),
  });

function watch(client: GoodUncle<{ products: Product }>, kind: string): readonly Watched[] {
  const watched: Watched[] = [];
  const add = (what: string, query: Parameters<typeof client.subscribe>[0], matches: (row: Row) => boolean): void => {
    const live = client.subscribe(query) as Live<Row>;
    const updates: Update<Row>[] = [];
    live.listen((update) => updates.push(update));
    const order = compareBy(query.sort ?? []);
    const { fields } = query;
    const expected = (rows: readonly Row[]): readonly object[] => {
      const found = rows
        .filter(matches)
        .toSorted((a, b) => order({ ...a }, { ...b }))
        .slice(0, query.limit);
      return found.map(({ id, kind, n, name }) => inOrder(fields === undefined ? { id, kind, n, name } : { id, name }));
    };
    watched.push({ what, live, updates, expected });
  };
  const all = (): boolean => true;
  add('all', { topic: 'products', criteria: { kind } }, all);
  add('few, in order', { topic: 'products', criteria: { kind, n: { $lt: 5 } }, sort: ['-n', 'name'] }, ({ n }) => n < 5);
  add('some fields, in the order of another', { topic: 'products', criteria: { kind }, fields: ['name'], sort: ['n'] }, all);
  add('a window', { topic: 'products', criteria: { kind }, sort: ['n', '-name'], limit: 4 }, all);
  add('a small window', { topic: 'products', criteria: { kind, n: { $gte: 3 } }, sort: ['name'], limit: 2 }, ({ n }) => n >= 3);
  return watched;
}

/** Fields in one order, as text compares them. */
const inOrder = (row: object): object => Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));

/** One commit, of one resource or of several. */
async function write(writer: Client, history: History, chance: Chance, kind: string): Promise<void> {
  const { rows } = history;
  const params = { kind, name: chance.of(NAMES), n: chance.below(10) };
  const some = rows[chance.below(Math.max(1, rows.length))];
  if (some === undefined || (rows.length < 30 && chance.below(3) === 0)) {
    const { response } = await writer.one({ type: 'create', topic: 'products', params });
    assert.equal(response.code, 'ok', JSON.stringify(response));
    history.add(response.version ?? 0, [...rows, { ...params, id: response.payload.id }]);
    return;
  }
  const many = chance.below(4) === 0;
  const criteria = many ? { kind, n: some.n } : { id: some.id };
  const touched = (row: Row): boolean => (many ? row.n === some.n : row.id === some.id);
  if (chance.below(4) === 0) {
    const { response } = await writer.one({ type: 'delete', topic: 'products', criteria });
    assert.equal(response.code, 'ok', JSON.stringify(response));
    history.add(
      response.version ?? 0,
      rows.filter((row) => !touched(row)),
    );
    return;
  }
  const changes = chance.below(2) === 0 ? { n: params.n } : { name: params.name };
  const { response } = await writer.one({ type: 'update', topic: 'products', criteria, params: changes });
  assert.equal(response.code, 'ok', JSON.stringify(response));
  history.add(
    response.version ?? 0,
    rows.map((row) => (touched(row) ? { ...row, ...changes } : row)),
  );
}

/** Every update that is the whole of a version is what was there at that version. */
function compare(watched: readonly Watched[], history: History, seen: Seen): void {
  for (const { what, updates, expected } of watched) {
    for (const [at, update] of updates.entries()) {
      assert.notEqual(update.state, 'ended', JSON.stringify(update.failure));
      const next = updates[at + 1];
      const isReset = update.change === 'reset';
      // The other events of a commit follow one by one; a cut may come between them.
      const isWhole = isReset || (next?.state === 'synced' && next.change !== 'reset' && next.version > update.version);
      if (update.state !== 'synced' || !isWhole) continue;
      assert.deepEqual(update.rows.map(inOrder), expected(history.at(update.version)), `${what} at version ${update.version} ${isReset}`);
      if (isReset) seen.synced += 1;
      else seen.versions += 1;
    }
    updates.splice(0, updates.length - 1);
  }
}

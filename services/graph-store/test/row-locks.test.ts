/** What a batch reads of the rows that it locks, while others write them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { World } from '../src/core/world.ts';
import { loadRows, noRowsToLoad } from '../src/postgres/load.ts';
import { Transactions } from '../src/postgres/transactions.ts';
import { freshId, type RunningStore, startStore, TENANT } from './running-store.ts';

let store: RunningStore;
const parts = new AsyncDisposableStack();
before(async () => {
  store = parts.use(await startStore(1));
});
after(() => parts.disposeAsync());

const created = (id: string, n = 0) => store.done({ op: 'create', type: 'test/Counter', id, attributes: { n } });

/** Another batch holds a row while one locks and loads `ids` and then does `inside`, with its locks held. */
async function whileHeld(
  held: string,
  ids: { readonly vertices: readonly string[]; readonly shared: readonly string[] },
  meanwhile: () => Promise<unknown>,
  inside: (stateOf: (id: string) => unknown) => Promise<void>,
): Promise<void> {
  await using connections = new AsyncDisposableStack();
  const [holder, loader] = ['holder', 'loader'].map((name) => {
    const transactions = new Transactions({ url: store.databaseUrl, name });
    connections.defer(() => transactions.end());
    return transactions;
  });
  assert.ok(holder !== undefined && loader !== undefined);
  const release = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  const holding = holder.transact(async (connection) => {
    await connection`select 1 from element where tenant = ${TENANT} and id = ${held} for update`;
    isHeld.resolve();
    await release.promise;
  });
  await isHeld.promise;
  const loading = loader.transact(async (_, issuer) => {
    const rows = new World().tenant(TENANT);
    const wanted = noRowsToLoad();
    for (const id of ids.vertices) wanted.vertices.add(id);
    for (const id of ids.shared) wanted.shared.add(id);
    await loadRows(issuer, TENANT, rows, wanted);
    await inside((id) => rows.rows.get(id)?.element.attributes.n);
  });
  try {
    await until('the loader waits', async () => {
      const [row] =
        await store.sql`select count(*)::int as waits from pg_stat_activity where application_name = 'loader' and wait_event_type = 'Lock'`;
      return row?.waits === 1;
    });
    await meanwhile();
  } finally {
    release.resolve();
  }
  await Promise.all([holding, loading]);
}

const lockable = async (id: string, mode: 'share' | 'update'): Promise<boolean> =>
  store.sql.unsafe(`select 1 from element where tenant = '${TENANT}' and id = '${id}' for ${mode} nowait`).then(
    () => true,
    (error: { readonly code?: string }) => {
      assert.equal(error.code, '55P03');
      return false;
    },
  );

for (const [order, name] of [
  ['before', 'a'],
  ['after', 'z'],
] as const) {
  test(`a row that is made while a batch waits for another one is not taken for one that it has locked (its id comes ${order})`, async () => {
    const held = freshId('m');
    const counter = freshId(name);
    await created(held);
    await whileHeld(
      held,
      { vertices: [counter], shared: [held] },
      () => created(counter, 1),
      // Else it would be written over, whatever others have written meanwhile. One that is not there is inserted, which fails, and is tried again.
      async (stateOf) => assert.equal(stateOf(counter), undefined),
    );
  });

  test(`a row that changes while a batch waits is read as it is when it is locked, and locked in its mode (its id comes ${order})`, async () => {
    const held = freshId('m');
    const [counter, shared] = [freshId(name), freshId(name)];
    for (const id of [held, counter, shared]) await created(id);
    const isLater = order === 'after';
    await whileHeld(
      held,
      { vertices: [counter], shared: [held, shared] },
      async () => {
        if (isLater) for (const id of [counter, shared]) await store.done({ op: 'update', target: { id }, set: { n: 1 } });
      },
      async (stateOf) => {
        assert.deepEqual([stateOf(counter), stateOf(shared)], isLater ? [1, 1] : [0, 0]);
        assert.deepEqual([await lockable(counter, 'share'), await lockable(shared, 'share')], [false, true]);
        assert.deepEqual([await lockable(shared, 'update'), await lockable(held, 'update')], [false, false]);
      },
    );
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MutationOutcome, MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { Chance } from '@polyedge/simulation/virtual-time';
import type { Item } from '../src/executor/messages.ts';
import { DatabaseModel, type OpenBatch } from './database-model.ts';
import { requestOf, startStore, TENANT } from './running-store.ts';

const BATCHES = 60;

function randomOperation(below: (limit: number) => number): Operation {
  const id = `x${below(6)}`;
  const target = { id };
  const value = below(4);
  switch (below(8)) {
    case 0:
    case 1:
      return { op: 'create', type: 'ogit/Trial', id, attributes: { value, name: `n${below(3)}` } };
    case 2:
    case 3:
      return { op: 'update', target, set: { value }, ...(below(2) === 0 ? { touch: true } : {}) };
    case 4:
      return { op: 'update', target, unset: ['name'] };
    case 5:
      return { op: 'delete', target };
    case 6:
      return { op: 'connect', out: id, verb: 'ogit/relates', in: `x${below(6)}` };
    default:
      return { op: 'apply', target, attribute: 'value', operator: 'incr', value: 1 };
  }
}

/** What two runs of the same writes have in common: not when they were made, and where in their journals. */
const comparable = (outcome: MutationOutcome, base: number): unknown =>
  JSON.parse(
    JSON.stringify(outcome, (name, value: unknown) => {
      if ((name === 'seq' || name === 'first' || name === 'last') && typeof value === 'number') return value === 0 ? 0 : value - base;
      return name === 'on' || name === 'detail' ? undefined : value;
    }),
  );

test('the model of the database answers batches and repeats, and keeps its journal, as PostgreSQL does', async () => {
  await using store = await startStore();
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const chance = new Chance(seed);
  const below = (limit: number): number => chance.below(limit);
  const model = new DatabaseModel();
  const [sequencer] = await store.sql<{ seq: number }[]>`select seq from sequencer`;
  const base = sequencer?.seq ?? 0;
  const sent: MutationRequest[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const requests = Array.from({ length: 1 + below(4) }, () => {
      const earlier = sent[below(sent.length + 1)];
      // The same again, and something else under the same operation id.
      if (earlier !== undefined && below(6) === 0) return earlier;
      const request = requestOf(...Array.from({ length: 1 + below(2) }, () => randomOperation(below)));
      return earlier !== undefined && below(12) === 0 ? { ...request, operationId: earlier.operationId } : request;
    });
    sent.push(...requests);
    const real = await store.send(requests);
    assert.ok(real.ok);
    const items = requests.map((request) => ({ tenant: TENANT, defaultScope: 'scope', request }));
    const modelled = model.commit(items, Date.now());
    const where = `batch ${batch} under seed ${seed}: ${JSON.stringify(requests.map(({ operations }) => operations))}`;
    assert.deepEqual(
      modelled.outcomes.map((outcome) => comparable(outcome, 0)),
      real.value.outcomes.map((outcome) => comparable(outcome, base)),
      where,
    );
  }
  const rows = await store.sql<{ seq: number; element: string; action: string; version: number }[]>`
    select seq, element, action, version from journal where seq > ${base} order by seq`;
  assert.deepEqual(
    model.journal.map(({ seq, id, action, version }) => [seq, id, action, version]),
    rows.map(({ seq, element, action, version }) => [seq - base, element, action, version]),
    `under seed ${seed}`,
  );
  assert.ok(model.seq > 30, 'little was written');
});

/** As `row-locks.test.ts` has it with a real server: a batch waits for one row while another row that it wants is made. */
function madeWhileWaiting(model: DatabaseModel): { readonly done: OpenBatch; readonly counter: string } {
  const item = (...operations: Operation[]): Item => ({ tenant: TENANT, defaultScope: 'scope', request: requestOf(...operations) });
  const add = (n: number, id: string): Operation => ({ op: 'update', target: { id }, set: { n }, ifMissing: { type: 'test/Counter', id } });
  model.commit([item(add(0, 'm'))], 0);
  const held = model.begin([item(add(1, 'm'))], false, () => {});
  let isLoaded = false;
  const waiting = model.begin([item(add(2, 'm'), add(2, 'a'))], false, () => {
    isLoaded = true;
  });
  assert.equal(isLoaded, false);
  const maker = model.begin([item(add(1, 'a'))], false, () => {});
  assert.equal(typeof maker.commit(0), 'object');
  held.commit(0);
  assert.equal(isLoaded, true);
  return { done: waiting, counter: 'a' };
}

test('in the model of the database, a row that is made while a batch waits for another one is not read, and cannot be inserted', () => {
  const { done } = madeWhileWaiting(new DatabaseModel());
  assert.equal(done.commit(0), 'collision');
});

test('in the model of the database, a later statement reads a row that nobody has locked, and others may write it meanwhile', () => {
  const model = new DatabaseModel({ readsLater: true });
  const { done, counter } = madeWhileWaiting(model);
  model
    .begin(
      [{ tenant: TENANT, defaultScope: 'scope', request: requestOf({ op: 'update', target: { id: counter }, set: { other: 1 } }) }],
      false,
      () => {},
    )
    .commit(0);
  assert.equal(typeof done.commit(0), 'object');
  assert.deepEqual(model.element(TENANT, counter)?.attributes, { n: 2 });
});

/** The model of a tenant's move (services/graph-store/test/moving-model.ts) beside the real one: the same writes, the same moves, the same journals and answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphMutate, type MutationOutcome, type MutationRequest, type Operation } from '@polyedge/contracts/bus/graph';
import type { Bus } from '@polyedge/service-kit/bus';
import { Chance } from '@polyedge/simulation/virtual-time';
import { DatabaseModel } from '../services/graph-store/test/database-model.ts';
import { requestOf } from '../services/graph-store/test/running-store.ts';
import { SECOND, startSystem } from './journals/system.ts';
import { runMove } from './moves/stopping.ts';
import { withDatabase } from './with-database.ts';

const TENANT = 'moving';
const NEIGHBOUR = 'staying';
const BATCHES = 12;

type Name = 'main' | typeof SECOND;

function randomOperation(chance: Chance): Operation {
  const target = { id: `x${chance.below(5)}` };
  switch (chance.below(4)) {
    case 0:
      return { op: 'create', type: 'test/Trial', id: target.id, attributes: { value: chance.below(4) } };
    case 1:
      return { op: 'delete', target };
    default:
      return { op: 'update', target, set: { value: chance.below(1000) }, ifMissing: { type: 'test/Trial', id: target.id } };
  }
}

/** Both tenants write, on both sides. @returns requests of the tenant that moves, as they were answered */
async function writeSome(bus: Bus, models: Readonly<Record<Name, DatabaseModel>>, where: Name, chance: Chance): Promise<MutationRequest[]> {
  const sent: MutationRequest[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const tenant = chance.percent(70) ? TENANT : NEIGHBOUR;
    const requests = Array.from({ length: 1 + chance.below(3) }, () =>
      requestOf(...Array.from({ length: 1 + chance.below(2) }, () => randomOperation(chance))),
    );
    const model = models[tenant === TENANT ? where : 'main'];
    const modelled = model.commit(
      requests.map((request) => ({ tenant, defaultScope: 'scope', request })),
      Date.now(),
    );
    assert.deepEqual((await send(bus, tenant, requests)).map(okOf), modelled.outcomes.map(okOf));
    if (tenant === TENANT) sent.push(...requests);
  }
  return sent;
}

async function send(bus: Bus, tenant: string, requests: readonly MutationRequest[]): Promise<readonly MutationOutcome[]> {
  const body = { defaultScope: 'scope', requests: [...requests] };
  const reply = await bus.request(graphMutate, graphMutate.subject({ tenant }), body, { timeoutMs: 10_000 });
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value.outcomes;
}

const okOf = ({ ok }: MutationOutcome): boolean => ok;

function moveInModel(from: DatabaseModel, to: DatabaseModel): void {
  const numbers = new Map<number, number>();
  for (let copied = 0; copied < from.seq; ) {
    const piece = from.pieceOf(TENANT, copied, 5);
    to.arrive(piece, numbers);
    copied = piece.upTo;
  }
  from.away.set(TENANT, 'left');
  to.away.delete(TENANT);
  from.remove(TENANT);
}

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly action: string;
  readonly version: number;
  readonly first: number;
  readonly last: number;
  readonly before: number;
  readonly attributes: unknown;
}

const modelRows = (model: DatabaseModel): Row[] =>
  model.journal
    .filter(({ tenant }) => tenant === TENANT)
    .map(({ seq, id, action, version, first, last, undo, state }) => ({
      ...{ seq, id, action, version, first, last, before: undo.seq, attributes: state.attributes },
    }));

interface Stored {
  readonly rows: readonly Row[];
  /** Changes that were left without contents. */
  readonly blank: number;
}

const realRows = (url = ''): Promise<Stored> =>
  withDatabase(url, async (sql) => {
    const rows = await sql<Row[]>`
      select seq::int, element as id, action, version::int, first_seq::int as first, last_seq::int as last, seq_before::int as before, attributes
      from journal where tenant = ${TENANT} order by seq`;
    const [left] = await sql<{ count: number }[]>`select count(*)::int as count from journal where tenant = '' and scope = 'system'`;
    return { rows: [...rows], blank: left?.count ?? 0 };
  });

/** Numbers by their order among the tenant's own: the journals of the two sides begin with different ones. */
function inOrder(rows: readonly Row[]): unknown[] {
  const places = new Map(rows.map(({ seq }, at) => [seq, at + 1]));
  const place = (seq: number): number | undefined => (seq === 0 ? 0 : places.get(seq));
  return rows.map(({ seq, first, last, before, ...rest }) => ({
    ...{ ...rest, seq: place(seq), first: place(first), last: place(last), before: place(before) },
  }));
}

/** The first outcome of a request that changed something, with its changes by their order. */
function repeated(outcomes: readonly MutationOutcome[], rows: readonly Row[]): unknown[] {
  const places = new Map(rows.map(({ seq }, at) => [seq, at + 1]));
  return outcomes.map((outcome) =>
    outcome.ok
      ? { repeated: outcome.value.repeated, first: places.get(outcome.value.first), last: places.get(outcome.value.last) }
      : outcome.failure.code,
  );
}

test('the model of a move leaves the same journals and the same answers to repeats as the real one', async () => {
  await using system = await startSystem();
  const bus = await system.bus();
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const chance = new Chance(seed);
  const models: Record<Name, DatabaseModel> = { main: new DatabaseModel(), [SECOND]: new DatabaseModel({ epochs: 's' }) };
  models[SECOND].away.set(TENANT, 'left');
  const urls = new Map(Object.entries({ main: system.urls.main, [SECOND]: system.urls.second }));
  const sent: MutationRequest[] = [];
  let [where, other]: [Name, Name] = ['main', SECOND];
  for (let move = 0; move < 3; move += 1) {
    sent.push(...(await writeSome(bus, models, where, chance)));
    assert.equal((await runMove({ urls, tenant: TENANT, target: other })).moved?.is, 'moved');
    await bus.placements?.refresh();
    moveInModel(models[where], models[other]);
    const here: Stored = await realRows(urls.get(other));
    const left: Stored = await realRows(urls.get(where));
    assert.deepEqual(inOrder(modelRows(models[other])), inOrder(here.rows), `in ${other}, move ${move} under seed ${seed}`);
    assert.deepEqual(left.rows, [], `left in ${where}`);
    assert.equal(models[where].journal.filter(({ scope }) => scope === 'system').length, left.blank, `blank in ${where}`);
    const changed = sent.filter(({ operationId }) => models[other].journal.some((change) => change.operationId === operationId));
    assert.ok(changed.length > 3, 'little was written');
    const answers = models[other].commit(
      changed.map((request) => ({ tenant: TENANT, defaultScope: 'scope', request })),
      Date.now(),
    );
    assert.deepEqual(
      repeated(answers.outcomes, modelRows(models[other])),
      repeated(await send(bus, TENANT, changed), here.rows),
      `repeated after move ${move} under seed ${seed}`,
    );
    [where, other] = [other, where];
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupClaim, groupCommit, groupOpen } from '@polyedge/contracts/bus/groups';
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import { PositionsModel } from '@polyedge/journal/testing/positions-model';
import { Chance } from '@polyedge/simulation/virtual-time';
import { startStore, TENANT } from './running-store.ts';

const CALLS = 200;
const PARTITIONS = 4;
const NAMES = ['one', 'two', 'three'];

test('the model of positions answers every call as graph-store does', async () => {
  await using store = await startStore(1, { GRAPH_STORE_PARTITIONS: `${PARTITIONS}` });
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const chance = new Chance(seed);
  const below = (limit: number): number => chance.below(limit);
  const ask = <Reply>(channel: RequestChannel<string, unknown, Reply>, subject: string, body: unknown): Promise<Outcome<Reply>> =>
    store.bus.request(channel, subject, body, { timeoutMs: 30_000 });
  const [history] = await store.sql<{ epoch: string; seq: number }[]>`select epoch, seq from sequencer`;
  assert.ok(history !== undefined);
  const { epoch, seq } = history;
  const model = new PositionsModel(PARTITIONS);
  /** Ids of the store by those of the model: each gives its own. */
  const ids = new Map<number, number>();
  const idOf = (id: number): number => ids.get(id) ?? 1_000_000;
  const knownIds = (): number => 1 + below(4);
  for (let call = 0; call < CALLS; call += 1) {
    const where = `call ${call} under seed ${seed}`;
    switch (below(6)) {
      case 0: {
        const name = NAMES[below(NAMES.length)] ?? '';
        const start = below(2) === 0 ? 'largest' : 'smallest';
        const real = await ask(groupOpen, groupOpen.subject({ tenant: TENANT }), { name, start });
        const modelled = model.open(name, start, { epoch, seq });
        assert.ok(real.ok && modelled.ok, where);
        if (modelled.value.created) ids.set(modelled.value.id, real.value.id);
        assert.deepEqual({ ...real.value, id: modelled.value.id }, modelled.value, where);
        assert.equal(real.value.id, idOf(modelled.value.id), where);
        break;
      }
      case 1: {
        const group = knownIds();
        const claims = [...new Set([below(PARTITIONS), below(PARTITIONS)])].sort().map((partition) => ({ partition, fence: below(8) }));
        const real = await ask(groupClaim, groupClaim.subject({}), { epoch, group: idOf(group), claims });
        const modelled = model.claim(group, claims);
        assert.deepEqual(sorted(real), sorted(modelled), where);
        break;
      }
      case 2: {
        if (below(4) > 0) break;
        const name = NAMES[below(NAMES.length)] ?? '';
        await store.sql`delete from consumer_group where name = ${name}`;
        model.expire(name);
        break;
      }
      default: {
        const group = knownIds();
        const partitions = [...new Set([below(PARTITIONS), below(PARTITIONS)])];
        const positions = partitions.map((partition) => ({ group, partition, fence: below(8), position: below(50) }));
        const touched = below(2) === 0 ? [] : [knownIds()];
        const real = await ask(groupCommit, groupCommit.subject({}), {
          epoch,
          positions: positions.map((one) => ({ ...one, group: idOf(one.group) })),
          touched: touched.map(idOf),
        });
        const modelled = model.commit(positions, touched);
        assert.ok(real.ok && modelled.ok, where);
        const { fenced, gone } = modelled.value;
        assert.deepEqual(keys(real.value.fenced), keys(fenced.map((one) => ({ ...one, group: idOf(one.group) }))), where);
        assert.deepEqual([...new Set(real.value.gone)].sort(), [...new Set(gone.map(idOf))].sort(), where);
      }
    }
  }
  for (const name of NAMES) {
    const stored = await store.sql<{ position: number }[]>`
      select position from group_position p join consumer_group c on c.id = p.consumer_group where c.name = ${name} order by partition`;
    const modelled = Array.from({ length: PARTITIONS }, (_, partition) => model.positionOf(name, partition)).filter((one) => one >= 0);
    assert.deepEqual(
      stored.map(({ position }) => position),
      modelled,
      `${name} under seed ${seed}`,
    );
  }
});

const sorted = (outcome: Outcome<{ readonly claims: readonly { readonly partition: number }[] }>): unknown =>
  outcome.ok ? [...outcome.value.claims].sort((one, other) => one.partition - other.partition) : outcome.failure;

const keys = (fenced: readonly { readonly group: number; readonly partition: number }[]): string[] =>
  fenced.map(({ group, partition }) => `${group}/${partition}`).sort();

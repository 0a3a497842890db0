/** Archiving a version that many contracts have, while the edge that does it and graph-store are killed. */
import assert from 'node:assert/strict';
import { until } from '@polyedge/testkit/until';
import { metered } from './metered.ts';
import { type Json, newOrganization, Rest, type System } from './system.ts';

const CLIENTS = 16;
const PAGE = 100;

export interface Archiving {
  readonly contracts: number;
  /** Whether graph-store is killed too, when half of the contracts have moved. */
  readonly killsStore: boolean;
}

export interface Archived {
  /** Until every contract had moved, from the call on, in milliseconds. */
  readonly ms: number;
  /** How many had moved when the edge, and graph-store, were killed. */
  readonly movedAtKills: readonly number[];
  /** The calls of the replica that stayed. */
  readonly rest: Rest;
}

export const rows = (body: Json): readonly Json[] => body as unknown as readonly Json[];

/** Fails if a contract was not moved, was moved twice or is lost, or if the progress is not told. All contracts are of the group `everybody`. */
export async function archiveUnderFire(system: System, { contracts, killsStore }: Archiving): Promise<Archived> {
  const other = await system.startSpace();
  const { rest, key } = await newOrganization(system.space.url);
  const there = new Rest(other.url, key);
  assert.equal((await rest.upload('/services', metered('Zoom', '1'))).status, 201);
  assert.equal((await rest.upload('/services/Zoom/pricings', metered('Zoom', '2', '2024-06-01'))).status, 201);
  const waiting = Array.from({ length: contracts }, (_, number) => `mover-${number}`).values();
  const make = async (): Promise<void> => {
    for (const userId of waiting) {
      const made = await rest.post('/contracts', {
        userContact: { userId, username: userId },
        groupId: 'everybody',
        contractedServices: { Zoom: '1' },
        subscriptionPlans: { Zoom: 'BASIC' },
        subscriptionAddOns: {},
      });
      assert.equal(made.status, 201, JSON.stringify(made.body));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, make));

  const job = async (): Promise<Json | undefined> => rows((await there.get('/services/Zoom/novations')).body)[0];
  const moved = async (): Promise<number> => Number((await job())?.done ?? 0);
  const movedAtKills: number[] = [];
  const began = performance.now();
  // Its answer is lost with the edge.
  const archived = rest.put('/services/Zoom/pricings/1', { subscriptionPlan: 'PRO' }).catch(() => undefined);
  await until('the first contracts moved', async () => (await moved()) > 0);
  await system.space.kill();
  movedAtKills.push(await moved());
  await archived;
  if (killsStore) {
    await until('half of the contracts moved', async () => (await moved()) >= contracts / 2, { withinMs: 600_000 });
    await system.store.kill();
    await system.store.restart();
    movedAtKills.push(await moved());
  }
  await until('all contracts moved', async () => String((await job())?.state) === 'done', { withinMs: Math.max(60_000, 60 * contracts) });
  const ms = performance.now() - began;
  const last = await job();
  assert.deepEqual([last?.kind, last?.total, last?.done], ['fallback', contracts, contracts]);

  const seen = new Set<string>();
  for (let page = 1; page <= Math.ceil(contracts / PAGE); page += 1) {
    const listed = await there.get(`/contracts?limit=${PAGE}&page=${page}`);
    assert.equal(listed.headers.get('x-total-count'), String(contracts));
    for (const contract of rows(listed.body)) {
      assert.deepEqual([contract.contractedServices, contract.subscriptionPlans], [{ zoom: '2' }, { zoom: 'PRO' }]);
      assert.equal(rows(contract.history as Json).length, 1);
      seen.add(String(contract.userContact?.userId));
    }
  }
  assert.equal(seen.size, contracts);
  return { ms, movedAtKills, rest: there };
}

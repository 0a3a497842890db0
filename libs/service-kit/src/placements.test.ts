import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountsPlacements, type Placements } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { localBus } from './local-bus.ts';
import { KnownPlacements } from './placements.ts';

type Placement = Placements['placements'][number];

/** What listeners are told when a directory gives one version of the placements after the other. */
async function toldOf(...versions: readonly (readonly Placement[])[]): Promise<readonly (readonly string[])[]> {
  const bus = localBus();
  let version = 0;
  bus.respond(accountsPlacements, async () => done({ version, placements: [...(versions[version] ?? [])] }));
  const known = new KnownPlacements(bus);
  const told: string[][] = [];
  known.onMoved((tenants) => told.push([...tenants].sort()));
  try {
    for (; version < versions.length; version += 1) await known.refresh();
    return told;
  } finally {
    await bus.close();
  }
}

const placed = (tenant: string, journal: string, since?: number): Placement => ({
  tenant,
  journal,
  ...(since === undefined ? {} : { since }),
});

test('a tenant has moved if it is in another journal, also if it left and came back meanwhile', async () => {
  assert.deepEqual(await toldOf([], [placed('a', 'second', 1)], [placed('a', 'second', 1)], [placed('a', 'main', 2)]), [['a'], ['a']]);
  assert.deepEqual(await toldOf([placed('a', 'second', 1)], [placed('a', 'second', 3)]), [['a'], ['a']]);
  assert.deepEqual(await toldOf([placed('b', 'second', 1)], [placed('a', 'main', 3), placed('b', 'second', 1)]), [['b'], ['a']]);
});

test('what was placed before the first answer has not moved since, and a directory of an older version does not say when it was', async () => {
  assert.deepEqual(await toldOf([placed('a', 'main', 5)]), []);
  assert.deepEqual(await toldOf([placed('a', 'second')], [placed('a', 'second', 3)], [placed('a', 'second')]), [['a']]);
});

test('all tenants are in main again when the last one has come back', async () => {
  const bus = localBus();
  const placements = [placed('a', 'second', 1)];
  bus.respond(accountsPlacements, async () => done({ version: 1, placements }));
  const known = new KnownPlacements(bus);
  await known.refresh();
  assert.deepEqual([known.areAllInMain, known.journalOf('a')], [false, 'second']);
  placements[0] = placed('a', 'main', 2);
  await known.refresh();
  assert.deepEqual([known.areAllInMain, known.journalOf('a'), known.journalOf('b')], [true, 'main', 'main']);
  await bus.close();
});

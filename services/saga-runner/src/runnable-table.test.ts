import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { graphHead } from '@polyedge/contracts/bus/feed';
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { RunnableTable } from './runnable-table.ts';

const stamp = { on: 1, by: 'a', app: 'a' };
const job = (id: string, seq: number): Element => ({
  ...{ tenant: 't', id, kind: 'vertex', type: 'saga/Job', scope: 's', attributes: { name: id, body: '' }, version: 1, seq },
  ...{ created: stamp, modified: stamp, deleted: false },
});

/** This bus delivers in later turns of the event loop, and nothing here takes more of them. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
}

test('saga:25 jobs are known without a trigger: when the store answers after the first read has failed, and after a new epoch', async () => {
  const network = new LocalNetwork();
  const [bus, store] = [network.connect(), network.connect()];
  const table = new RunnableTable(bus, 't', () => {});
  const ids = (): string[] => table.jobs().map(({ id }) => id);
  assert.equal((await table.upTo(0)).ok, false);
  let [epoch, seq, stored] = ['one', 5, job('first', 5)];
  store.respond(graphQuery, async () => done({ epoch, seq, elements: [stored] }));
  store.respond(graphGet, async () => done({ epoch, seq, elements: [stored] }));
  const head = (): void => store.publish(graphHead, {}, { epoch, fence: 1, from: seq + 1, to: seq, keys: [] });
  head();
  await turns();
  assert.deepEqual(ids(), ['first']);
  [epoch, seq, stored] = ['two', 3, job('second', 3)];
  head();
  await turns();
  assert.deepEqual(ids(), ['second']);
  table.close();
});

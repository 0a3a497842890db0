import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { graphMutate, type MutationOutcome } from '@polyedge/contracts/bus/graph';
import { done, failed } from '@polyedge/contracts/errors';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { Wheel } from '@polyedge/edge-kit/wheel';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { Writing } from './writing.ts';

test('saga:22 writes and records of an organization do not wait for those of another one, whose journal does not answer', async () => {
  const network = new LocalNetwork();
  const [bus, store] = [network.connect(), network.connect()];
  const outcome: MutationOutcome = { ok: true, value: { first: 0, last: 0, operations: [] } };
  store.respond(graphMutate, async ({ requests }, { tenant }) =>
    tenant === 'down' ? failed('unavailable') : done({ epoch: 'e', outcomes: requests.map(() => outcome) }),
  );
  // What is repeated is repeated later on this clock, which stands still.
  const writing = new Writing(bus, new Wheel(new ManualClock()));
  const write = (tenant: string, lane: string, record: boolean) =>
    writing.write(
      { tenant, scope: 's', lane, record },
      {
        ...{ operationId: '0'.repeat(32), by: 'a', app: 'a', origin: { protocol: 'saga', way: 'job', operation: 'x' } },
        operations: [{ op: 'delete', target: { id: 'x' } }],
      },
    );
  for (let lane = 0; lane < 100; lane += 1) for (const record of [false, true]) void write('down', String(lane), record);
  let answered = 0;
  for (let at = 0; at < 100; at += 1) {
    for (const record of [false, true]) void write(`up${at}`, String(at), record).then(({ ok }) => (answered += Number(ok)));
  }
  // This bus delivers in later turns of the event loop, and nothing here takes more of them.
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  assert.equal(answered, 200);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rollingRestart } from './rolling/run.ts';

/** Socket.IO has no close codes: its server closes the WebSocket without one, which clients see as 1005. */
for (const [edge, clients, goodbye] of [
  ['hiro-edge', 200, 1001],
  ['saga-edge', 200, 1005],
] as const) {
  test(`a rolling restart of two ${edge}s under ${clients} clients and 50 changes a second: nobody misses a change, clients are sent away one after the other, nobody sees a 5xx`, async (t) => {
    const result = await rollingRestart({ edge, clients, changesPerSecond: 50, report: (line) => t.diagnostic(line) });
    t.diagnostic(JSON.stringify({ ...result, codes: [...result.codes] }));
    assert.deepEqual(result.unacknowledged, []);
    assert.deepEqual(result.missed, []);
    assert.ok(result.changes > 100);
    assert.ok(result.reconnects >= clients, 'everybody was sent away once');
    for (const ms of result.spreadMs) assert.ok(ms > 1500, `sent away within ${ms} ms`);
    assert.ok(result.crowded < 0.5, `${result.crowded} of the clients in a quarter of a second`);
    // Every close frame is read: the edge waits five seconds for the client's own before it ends TCP. (Where 1006 was seen among many 1001, the
    // clients had hung up: busy ones found more pings than their library takes at once. `MAX_ASKED` in edge-kit's group-consumer.ts bounds them.)
    assert.deepEqual([...result.codes.keys()], [goodbye], `goodbyes, not failures: ${JSON.stringify([...result.codes])}`);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rollingRestart } from './rolling/run.ts';

for (const [edge, clients] of [
  ['hiro-edge', 200],
  ['saga-edge', 200],
] as const) {
  test(`a rolling restart of two ${edge}s under ${clients} clients and 50 changes a second: nobody misses a change, clients are sent away one after the other, nobody sees a 5xx`, async (t) => {
    const result = await rollingRestart({ edge, clients, changesPerSecond: 50, report: (line) => t.diagnostic(line) });
    t.diagnostic(JSON.stringify({ ...result, codes: [...result.codes] }));
    assert.ok(result.changes > 100);
    assert.equal(result.missed, 0);
    assert.equal(result.serverErrors, 0);
    assert.ok(result.reconnects >= clients, 'everybody was sent away once');
    for (const ms of result.spreadMs) assert.ok(ms > 1500, `sent away within ${ms} ms`);
    assert.ok(result.crowded < 0.5, `${result.crowded} of the clients in a quarter of a second`);
    // A close frame can be overtaken by the end of TCP when the client is too busy to read it; such a client comes back all the same.
    const goodbyes = [...result.codes].reduce((sum, [code, times]) => sum + (code === 1001 ? times : 0), 0);
    assert.ok(goodbyes >= 0.9 * result.reconnects, `goodbyes, not failures: ${JSON.stringify([...result.codes])}`);
  });
}

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { keepRunning } from './keep-running.ts';

/** A service that dies on the test's command, and restarts at once. */
function kept(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let at = 0;
  let restarts = 0;
  const keep = keepRunning(
    'graph-store',
    () => {},
    () => at,
  );
  const server: Pick<RunningServer, 'log' | 'pid' | 'restart'> = {
    log: () => '',
    pid: 1,
    restart: async () => {
      restarts += 1;
    },
  };
  keep.keep(server as RunningServer);
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    /** Lets it die, and returns how long it is away. */
    async awayMs(): Promise<number> {
      const before = restarts;
      keep.died('it died');
      for (let ms = 0; ; ms += 50) {
        await settle();
        if (restarts > before) return ms;
        at += 50;
        t.mock.timers.tick(50);
        assert.ok(ms < 60_000, 'it does not come back');
      }
    },
    passes(ms: number): void {
      at += ms;
    },
  };
}

test('a service that died is back within a second, also the second and the third time', async (t) => {
  const service = kept(t);
  for (let n = 0; n < 3; n += 1) assert.ok((await service.awayMs()) < 1000);
});

test('a service that dies repeatedly waits ever longer, up to ten seconds, and no longer after two good minutes', async (t) => {
  const service = kept(t);
  const away: number[] = [];
  for (let n = 0; n < 9; n += 1) away.push(await service.awayMs());
  assert.deepEqual(away, [250, 250, 250, 500, 1000, 2000, 4000, 8000, 10_000]);
  service.passes(121_000);
  assert.equal(await service.awayMs(), 250);
});

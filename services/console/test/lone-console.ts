/** A console without other processes. */
import { mock } from 'node:test';
import { graphChanged, graphHead, graphPosition } from '@polyedge/contracts/bus/feed';
import { done } from '@polyedge/contracts/errors';
import { readConfig } from '@polyedge/service-kit/config';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { tokenMaker } from '@polyedge/testkit/token-maker';
import { until } from '@polyedge/testkit/until';
import { startConsole } from '../src/app.ts';
import { settings } from '../src/config.ts';

/** A console alone on a bus. */
export async function startLoneConsole({ roles = { console: ['admin'] } }: { readonly roles?: Record<string, string[]> } = {}) {
  const bus = localBus();
  const token = tokenMaker(bus)({ tenant: 'default', roles });
  bus.respond(graphPosition, async () => done({ epoch: 'e', seq: 0, oldest: 1, partitions: 8 }));
  const { mock: subscribed } = mock.method(bus, 'subscribe');
  const read = readConfig('console', settings, { POLYEDGE_MODE: 'local', PORT: '0' });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const console = await startConsole(read.config, { log: silentLog, metrics: noMetrics(), ready: () => true }, bus);
  await until('the console is ready', () => console.ready() === true);
  return {
    bus,
    /** Its subscriptions to changes and heads, those that have ended as well. */
    subscriptions: () => {
      const addresses: readonly string[] = [graphChanged.address, graphHead.address];
      return subscribed.calls.flatMap(({ arguments: [channel], result }) =>
        addresses.includes(channel.address) && result !== undefined ? [{ address: channel.address, subscription: result }] : [],
      );
    },
    get: (path: string, signal?: AbortSignal) =>
      fetch(`http://127.0.0.1:${console.port}/api/${path}`, { headers: { authorization: `Bearer ${token}` }, signal: signal ?? null }),
    send: (method: 'POST' | 'PUT', path: string, body: object) =>
      fetch(`http://127.0.0.1:${console.port}/api/${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    [Symbol.asyncDispose]: async () => {
      await console.stop();
      await bus.close();
    },
  };
}

/** hiro-edge alone, on the bus inside this process: for what it does before and without graph-store. Tokens come from a key of the test's own. */
import { accountsRevoked } from '@polyedge/contracts/bus/accounts';
import type { Clock } from '@polyedge/edge-kit/wheel';
import { readConfig } from '@polyedge/service-kit/config';
import { type LocalBus, localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { tokenMaker } from '@polyedge/testkit/token-maker';
import { until } from '@polyedge/testkit/until';
import { startHiroEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';

export interface LoneEdge extends AsyncDisposable {
  readonly port: number;
  readonly bus: LocalBus;
  readonly token: ReturnType<typeof tokenMaker>;
  /** Revokes everything an account was given. */
  revoke(account: string): void;
  drain(): Promise<void>;
}

/** @param clock that the test moves; tokens are checked by the machine's time */
export async function startLoneEdge(env: Readonly<Record<string, string>> = {}, clock?: Clock): Promise<LoneEdge> {
  const bus = localBus();
  const token = tokenMaker(bus);
  const read = readConfig('hiro-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const context = { log: silentLog, metrics: noMetrics(), ready: (): true => true, instance: 'lone' };
  const edge = await startHiroEdge(read.config, context, bus, clock);
  await until('the edge is ready', () => edge.ready() === true, { seen: () => edge.ready() });
  return {
    port: edge.port,
    bus,
    token,
    revoke: (account) => bus.publish(accountsRevoked, {}, { account, before: Date.now() + 1 }),
    drain: () => edge.drain(),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      await bus.close();
    },
  };
}

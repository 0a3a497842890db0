/** jssocket-edge inside this process, alone on a bus of its own or as a replica on one that is given. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { readConfig } from '@polyedge/service-kit/config';
import { localBus } from '@polyedge/service-kit/local-bus';
import { type LogWriter, silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { startJssocketEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';
import { CHEAP_AUTH } from './doubles.ts';

export interface LoneEdge extends AsyncDisposable {
  readonly port: number;
  /** What it logged: sentences, with their fields as JSON. */
  readonly lines: readonly string[];
  /** A number of its metrics, such as `jssocket_secrets_checked`; 0 if there is none. */
  figure(name: string): number;
  drain(): Promise<void>;
}

/** @param given a bus that other edges share, and a clock that the test moves */
export async function startEdge(
  env: Readonly<Record<string, string>> = {},
  given: { readonly bus?: Bus; readonly clock?: Clock } = {},
): Promise<LoneEdge> {
  const read = readConfig('jssocket-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', SOCKET_AUTH: CHEAP_AUTH, ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const bus = given.bus ?? localBus();
  const metrics = noMetrics();
  const lines: string[] = [];
  const write: LogWriter = (sentence, fields = {}) => void lines.push(`${sentence} ${JSON.stringify(fields)}`);
  const log = { ...silentLog, info: write, warn: write, error: write };
  const terminate = () => {
    throw new Error('no test of this process asks for its end');
  };
  const context = { log, metrics, ready: (): true => true, instance: randomBytes(6).toString('hex'), terminate };
  const edge = await startJssocketEdge(read.config, context, bus, given.clock);
  return {
    port: edge.port,
    lines,
    figure: (name) => metrics.figures(1000)[name] ?? 0,
    drain: () => edge.drain(),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      if (given.bus === undefined) await bus.close();
    },
  };
}

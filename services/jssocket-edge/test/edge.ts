/** jssocket-edge inside this process, alone on a bus of its own or as a replica on one that is given. */
import { randomBytes } from 'node:crypto';
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
  drain(): Promise<void>;
}

export async function startEdge(env: Readonly<Record<string, string>> = {}, given?: Bus): Promise<LoneEdge> {
  const read = readConfig('jssocket-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', SOCKET_AUTH: CHEAP_AUTH, ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const bus = given ?? localBus();
  const lines: string[] = [];
  const write: LogWriter = (sentence, fields = {}) => void lines.push(`${sentence} ${JSON.stringify(fields)}`);
  const log = { ...silentLog, info: write, warn: write, error: write };
  const terminate = () => {
    throw new Error('no test of this process asks for its end');
  };
  const context = { log, metrics: noMetrics(), ready: (): true => true, instance: randomBytes(6).toString('hex'), terminate };
  const edge = await startJssocketEdge(read.config, context, bus);
  return {
    port: edge.port,
    lines,
    drain: () => edge.drain(),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      if (given === undefined) await bus.close();
    },
  };
}

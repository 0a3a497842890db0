/** jssocket-edge inside this process, alone on a bus of its own or as a replica on one that is given. */
import { randomBytes } from 'node:crypto';
import type { Bus } from '@polyedge/service-kit/bus';
import { readConfig } from '@polyedge/service-kit/config';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { startJssocketEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';

export interface LoneEdge extends AsyncDisposable {
  readonly port: number;
  /** Sentences it logged as warnings. */
  readonly warnings: readonly string[];
  drain(): Promise<void>;
}

export async function startEdge(env: Readonly<Record<string, string>> = {}, given?: Bus): Promise<LoneEdge> {
  const read = readConfig('jssocket-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const bus = given ?? localBus();
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (sentence: string) => void warnings.push(sentence) };
  const terminate = () => {
    throw new Error('no test of this process asks for its end');
  };
  const context = { log, metrics: noMetrics(), ready: (): true => true, instance: randomBytes(6).toString('hex'), terminate };
  const edge = await startJssocketEdge(read.config, context, bus);
  return {
    port: edge.port,
    warnings,
    drain: () => edge.drain(),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      if (given === undefined) await bus.close();
    },
  };
}

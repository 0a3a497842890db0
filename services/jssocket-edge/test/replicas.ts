/** Two replicas of jssocket-edge, each a process of its own, on a NATS server of their own. */
import { startNats } from '@polyedge/testkit/servers/nats';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { CHEAP_AUTH } from './doubles.ts';

export interface Replicas extends AsyncDisposable {
  readonly nats: RunningServer;
  readonly a: RunningService;
  readonly b: RunningService;
  /** A further replica, on a free port or on this one. */
  start(port?: number): Promise<RunningService>;
}

/** @param beside starts what has to be there before the replicas */
export async function startReplicas(
  env: Readonly<Record<string, string>> = {},
  beside: (nats: RunningServer) => Promise<void> = async () => {},
): Promise<Replicas> {
  await using parts = new AsyncDisposableStack();
  const nats = parts.use(await startNats());
  await beside(nats);
  const edge = (port?: number) =>
    startService({
      name: 'jssocket-edge',
      env: { NATS_URL: nats.url, LOG_LEVEL: 'warn', SOCKET_AUTH: CHEAP_AUTH, ...env },
      ...(port === undefined ? {} : { port }),
    });
  const [a, b] = await Promise.all([edge(), edge()]);
  parts.use(a);
  parts.use(b);
  const kept = parts.move();
  return {
    nats,
    a,
    b,
    start: async (port) => kept.use(await edge(port)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Two replicas of jssocket-edge, each a process of its own, on a NATS server of their own. */
import { startNats } from '@polyedge/testkit/servers/nats';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';

export interface Replicas extends AsyncDisposable {
  readonly nats: RunningServer;
  readonly a: RunningService;
  readonly b: RunningService;
  /** A further replica. */
  start(env?: Readonly<Record<string, string>>): Promise<RunningService>;
}

export async function startReplicas(env: Readonly<Record<string, string>> = {}): Promise<Replicas> {
  await using parts = new AsyncDisposableStack();
  const nats = parts.use(await startNats());
  const edge = (more: Readonly<Record<string, string>> = {}) =>
    startService({ name: 'jssocket-edge', env: { NATS_URL: nats.url, LOG_LEVEL: 'warn', ...env, ...more } });
  const [a, b] = await Promise.all([edge(), edge()]);
  parts.use(a);
  parts.use(b);
  const kept = parts.move();
  return {
    nats,
    a,
    b,
    start: async (more) => kept.use(await edge(more)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

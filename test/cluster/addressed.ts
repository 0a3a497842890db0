import type { RunningServer } from '@polyedge/testkit/servers/server-process';

/** One server of a cluster as a drop-in for a single server, under the cluster's address. Disposing of it disposes of `parts`. */
export const addressed = (server: RunningServer, url: string, parts: AsyncDisposableStack): RunningServer => ({
  url,
  port: server.port,
  pid: server.pid,
  dir: server.dir,
  stop: () => server.stop(),
  kill: () => server.kill(),
  restart: () => server.restart(),
  pause: () => server.pause(),
  resume: () => server.resume(),
  log: () => server.log(),
  [Symbol.asyncDispose]: () => parts.disposeAsync(),
});

import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads until its input ends, which happens when the process that started it is gone, however it ended; then stops the server with SIGINT
 * (the fast shutdown of PostgreSQL, Redis and NATS), after five seconds with SIGKILL, and removes the given folder.
 */
const script = `
while read -r line; do :; done
kill -INT "$1"; kill -CONT "$1"
waited=0
while kill -0 "$1" && [ "$waited" -lt 50 ]; do sleep 0.1; waited=$((waited + 1)); done
kill -KILL "$1"
if [ -n "$2" ]; then sleep 0.2; rm -rf -- "$2"; fi
`;

/**
 * Prevents a server from outliving this process: a small shell in its own session stops the server when our end of the pipe closes.
 * A negative `serverPid` is a process group. `removeFolder` is deleted in that case. Returns a function that ends the watchdog; call it as soon as the server has ended.
 */
export function watchOver(serverPid: number, removeFolder: string | undefined): () => void {
  const watchdog: ChildProcess = spawn('/bin/sh', ['-c', script, 'polyedge-watchdog', String(serverPid), removeFolder ?? ''], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  watchdog.on('error', () => {});
  watchdog.stdin?.on('error', () => {});
  watchdog.unref();
  // The pipe is a socket at run time, whose handle would keep the event loop alive.
  if (watchdog.stdin !== null && 'unref' in watchdog.stdin && typeof watchdog.stdin.unref === 'function') watchdog.stdin.unref();
  return () => void watchdog.kill('SIGKILL');
}

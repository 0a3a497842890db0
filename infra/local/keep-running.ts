import type { RunningServer } from '@polyedge/testkit/servers/server-process';

/** Restarts a server that died, and reports it. */
export type KeepRunning = {
  /** To be called when it ended unexpectedly. */
  died(reason: string): void;
  /** From now on it is restarted when it dies; before, its starter handles that. */
  keep(server: RunningServer): void;
  /** From now on it is not restarted; a restart in progress ends when the server is disposed of. */
  release(): void;
};

const firstPauseMs = 250;
const longestPauseMs = 10_000;
/** Up to this many deaths within this time it restarts at once. After more, it waits ever longer. */
const accidents = 3;
const withinMs = 120_000;
const shownLogLines = 12;

/** `name` is used in the lines that `say` prints; `now` is a monotonic clock in milliseconds. */
export function keepRunning(name: string, say: (line: string) => void, now: () => number = () => performance.now()): KeepRunning {
  const released = new AbortController();
  let kept: RunningServer | undefined;
  let deaths: number[] = [];

  /** Counts a death or a failed restart; returns how long to wait before the next one. */
  const nextPauseMs = (): number => {
    const at = now();
    deaths = [...deaths.filter((before) => at - before < withinMs), at];
    return Math.min(firstPauseMs * 2 ** Math.max(0, deaths.length - accidents), longestPauseMs);
  };

  const restart = async (server: RunningServer): Promise<void> => {
    while (!released.signal.aborted) {
      const pauseMs = nextPauseMs();
      say(`${name} starts again in ${pauseMs / 1000} s`);
      await pause(pauseMs, released.signal);
      if (released.signal.aborted) return;
      try {
        await server.restart();
        say(`${name} is ready again (process ${server.pid})`);
        return;
      } catch (error) {
        if (!released.signal.aborted) say(`${name} did not come back: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };

  let busy = false;
  return {
    died(reason) {
      if (kept === undefined || released.signal.aborted || busy) return;
      say(`${reason}. The end of its log:`);
      for (const line of kept.log().trim().split('\n').slice(-shownLogLines)) say(`    ${line}`);
      busy = true;
      void restart(kept).finally(() => {
        busy = false;
      });
    },
    keep(server) {
      kept = server;
    },
    release() {
      released.abort();
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

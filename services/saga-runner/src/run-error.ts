/** The error in the runnable call of a failed run. */
import type { RunnableCall } from '@polyedge/contracts/bus/runnables';
import type { Limit, RunLimits, RunOutcome } from './isolate/messages.ts';

/** The message for a broken limit names the limit. */
export function errorOf(outcome: RunOutcome, limits: RunLimits): RunnableCall['error'] {
  switch (outcome.is) {
    case 'returned':
      return null;
    case 'threw':
      return { message: `${outcome.name}: ${outcome.message}`, stack: outcome.stack };
    case 'broke':
      return { message: `limit: ${LIMITS[outcome.limit]?.(limits) ?? outcome.limit}`, stack: '' };
  }
}

const LIMITS: Readonly<Record<Limit, (limits: RunLimits) => string>> = {
  'wall clock': () => 'it took too long (wall clock)',
  cpu: () => 'it used too much of the processor (cpu)',
  memory: ({ memoryMb }) => `it held more than ${memoryMb} MiB (memory)`,
  log: ({ logLines, logBytes }) => `it logged more than ${logLines} lines or ${logBytes} bytes (log)`,
  calls: ({ calls }) => `it called the API more than ${calls} times, or with too much (calls)`,
  'calls per second': ({ callsPerSecond }) => `it called the API more than ${callsPerSecond} times in a second (calls per second)`,
  result: ({ resultBytes }) => `its answer is longer than ${resultBytes} bytes (result)`,
  timers: () => 'it has too many timers (timers)',
};

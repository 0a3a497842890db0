/** Runnable calls and log lines as attributes of elements (Saga protocol page, 5.7 and 5.8). */
import type { RunnableCall, RunnableLog } from '@polyedge/contracts/bus/runnables';
import type { JsonObject } from '@polyedge/query/json';

const date = (ms: number): string => new Date(ms).toISOString();
const given = (name: string, value: string | number | undefined): JsonObject => (value === undefined ? {} : { [name]: value });

export function callAttributes(call: RunnableCall): JsonObject {
  return {
    runnable_type: call.runnableType,
    runnable_id: call.runnable,
    ...given('runnable_version_id', call.version),
    ...given('path', call.path),
    name: call.name ?? '',
    started_at: date(call.startedAt),
    finished_at: date(call.finishedAt),
    duration: call.finishedAt - call.startedAt,
    success: call.success,
    error: call.error,
    log_count: call.logCount,
    context: call.context,
    source_creator: { ...call.creator },
    ...given('parent_runnable_call_id', call.parentCall),
    ...given('cpu_ms', call.cpuMs),
    ...given('memory_bytes', call.memoryBytes),
    ...(call.testData === true ? { test_data: true } : {}),
  };
}

export const logAttributes = (log: RunnableLog): JsonObject => ({
  runnable_type: log.runnableType,
  runnable_id: log.runnable,
  runnable_call_id: log.call,
  ...given('runnable_version_id', log.version),
  level: log.level,
  message: log.message,
  args: [...log.args],
  ...(log.testData === true ? { test_data: true } : {}),
});

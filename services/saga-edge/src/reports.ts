/** Takes what runners of scripts and jobs report, and stores it: the feed then tells whoever joined, on every replica. */
import { type RunnableCall, type RunnableLog, reportRunnable } from '@polyedge/contracts/bus/runnables';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { JsonObject } from '@polyedge/query/json';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import type { Store } from './http/store.ts';
import { TYPES } from './protocol/elements.ts';

export function takeReports(bus: Bus, store: Store): Responder {
  return bus.respond(reportRunnable, async ({ report, defaultScope }, { tenant }): Promise<Outcome<object>> => {
    if (tenant === undefined) return failed('invalid', 'no tenant');
    const [type, id, attributes] =
      'call' in report
        ? ([TYPES.call, report.call.id, callAttributes(report.call)] as const)
        : ([TYPES.log, report.log.id, logAttributes(report.log)] as const);
    const who = { tenant, defaultScope, account: 'saga-runner', app: 'saga-runner' };
    const stored = await store.writeOnce(who, 'runnable', [{ op: 'create', type, id, attributes }]);
    // The same report again.
    if (!stored.ok && stored.failure.code !== 'conflict') return stored;
    return done({});
  });
}

const date = (ms: number): string => new Date(ms).toISOString();
const given = (name: string, value: string | undefined): JsonObject => (value === undefined ? {} : { [name]: value });

/** (Saga protocol page, 5.7.) */
function callAttributes(call: RunnableCall): JsonObject {
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
    ...(call.testData === true ? { test_data: true } : {}),
  };
}

/** (Saga protocol page, 5.8.) */
const logAttributes = (log: RunnableLog): JsonObject => ({
  runnable_type: log.runnableType,
  runnable_id: log.runnable,
  runnable_call_id: log.call,
  ...given('runnable_version_id', log.version),
  level: log.level,
  message: log.message,
  args: [...log.args],
});

/** Stores the reports of runners of scripts and jobs; the feed then delivers them to joined sockets on every replica. */
import { reportRunnable } from '@polyedge/contracts/bus/runnables';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { TYPES } from '@polyedge/saga/elements';
import { callAttributes, logAttributes } from '@polyedge/saga/records';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import type { Store } from './http/store.ts';

export function answerReports(bus: Bus, store: Store): Responder {
  return bus.respond(reportRunnable, async ({ report, defaultScope }, { tenant }): Promise<Outcome<object>> => {
    if (tenant === undefined) return failed('invalid', 'no tenant');
    const [type, id, attributes] =
      'call' in report
        ? ([TYPES.call, report.call.id, callAttributes(report.call)] as const)
        : ([TYPES.log, report.log.id, logAttributes(report.log)] as const);
    const who = { tenant, defaultScope, account: 'saga-runner', app: 'saga-runner' };
    const stored = await store.writeOnce(who, 'runnable', [{ op: 'create', type, id, attributes }]);
    // The same report was stored before.
    if (!stored.ok && stored.failure.code !== 'conflict') return stored;
    return done({});
  });
}

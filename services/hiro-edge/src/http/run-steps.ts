import { randomBytes } from 'node:crypto';
import type { MutationResult } from '@polyedge/contracts/bus/graph';
import type { Origin } from '@polyedge/contracts/change';
import type { Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Principal } from '@polyedge/contracts/principal';
import type { Wheel } from '@polyedge/edge-kit/wheel';
import { Writes } from '@polyedge/edge-kit/writes';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Step } from '../protocol/step.ts';

/** What carries out the steps of REST calls. */
export interface Runner {
  readonly bus: Bus;
  readonly wheel: Wheel;
  readonly requestTimeoutMs: number;
}

/** A step that answers: what is left when everything before it was asked and written. */
export type Answer = Exclude<Step, { readonly next: 'ask' | 'write' }>;

/** Carries out steps until one answers. A write is tried again while its outcome is unknown, for at most 60 seconds, like one of a socket. */
export async function settle(step: Step, who: Principal, origin: Origin, runner: Runner, signal: AbortSignal): Promise<Answer> {
  let now = step;
  for (;;) {
    switch (now.next) {
      case 'ask': {
        const { channel, subject, body } = now.call;
        if (now.until !== undefined && Date.now() > now.until) {
          return { next: 'fail', failure: { code: 'expired', detail: 'the query takes too long' } };
        }
        now = now.resume(await runner.bus.request(channel, subject, body, { timeoutMs: runner.requestTimeoutMs, signal }));
        break;
      }
      case 'write':
        now = now.resume(await writeOnce(now.operations, who, origin, runner));
        break;
      default:
        return now;
    }
  }
}

function writeOnce(
  operations: Extract<Step, { next: 'write' }>['operations'],
  who: Principal,
  origin: Origin,
  { bus, wheel }: Runner,
): Promise<Outcome<MutationResult>> {
  const { account: by, app, tenant, defaultScope } = who;
  const request = { by, app, origin, operations, operationId: operationId(Date.now(), randomBytes(10)) };
  return new Promise((resolve) => {
    new Writes(bus, wheel, ({ outcome }) => resolve(outcome)).add({ id: 'rest', tenant, defaultScope, request, own: 'any' });
  });
}

/** Answers `graph.mutate`: passes the requests to the executor, and leaves the queue group while it is overloaded. */
import { graphMutate } from '@polyedge/contracts/bus/graph';
import type { RequestOf } from '@polyedge/contracts/channel';
import { done, failed } from '@polyedge/contracts/errors';
import type { Bus, RequestContext, Responder } from '@polyedge/service-kit/bus';
import { validateScope } from '../core/validate.ts';
import type { Executor } from '../executor/executor.ts';
import { isRefusedHere } from '../postgres/tenants-elsewhere.ts';
import type { Traces } from '../traces.ts';
import { knowRequest, replyJson, withoutGiven } from './mutate-json.ts';

export function answerMutations(bus: Bus, executor: Pick<Executor, 'submit'>, traces: Traces | undefined): Responder {
  const answer = async (message: RequestOf<typeof graphMutate>, { tenant, bytes, text, deadline }: RequestContext) => {
    const { defaultScope, requests } = message;
    if (tenant === undefined) return failed('invalid', 'no tenant');
    const scope = validateScope(defaultScope);
    if (!scope.ok) return scope;
    knowRequest(message, text);
    traces?.remember(requests.map(({ operationId }) => operationId));
    const answered = await executor.submit({ tenant, defaultScope, requests, bytes, deadline });
    // The tenant is not written here: the whole message is routed to its journal, or retried.
    const refused = answered.ok ? answered.value.outcomes.find((outcome) => !outcome.ok && isRefusedHere(outcome.failure)) : undefined;
    if (refused?.ok === false) return { ok: false as const, failure: refused.failure };
    return answered.ok && message.restores === true ? done(withoutGiven(message, answered.value)) : answered;
  };
  return bus.respond(graphMutate, answer, { encode: replyJson });
}

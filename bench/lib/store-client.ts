/** Sends requests to graph-store over NATS, as an edge does. */
import { randomBytes } from 'node:crypto';
import { graphMutate, type MutationRequest, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { connectNatsBus, type NatsBus } from '@polyedge/service-kit/nats-bus';

/** The tenant of the first start. */
export const TENANT = 'default';

export async function connectBus(url: string): Promise<NatsBus> {
  const connected = await connectNatsBus({ url, service: 'bench', credentials: { kind: 'none' } });
  if (!connected.ok) throw new Error(connected.failure.detail);
  return connected.value;
}

/** Executes each operation as a request of its own, all in one message. Throws if one fails. */
export async function mutateAll(bus: NatsBus, scope: string, operations: readonly Operation[]): Promise<void> {
  const requests = operations.map(
    (operation): MutationRequest => ({
      operationId: operationId(Date.now(), randomBytes(10)),
      by: 'bench',
      app: 'bench',
      origin: { protocol: 'hiro', way: 'socket', operation: operation.op },
      operations: [operation],
    }),
  );
  const reply = await bus.request(
    graphMutate,
    graphMutate.subject({ tenant: TENANT }),
    { defaultScope: scope, requests },
    { timeoutMs: 20_000 },
  );
  const failure = reply.ok ? reply.value.outcomes.find((outcome) => !outcome.ok) : reply;
  if (failure !== undefined) throw new Error(JSON.stringify(failure));
}

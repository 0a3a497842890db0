/** The connections of the edges: found by querying all edges, closed by a request to their edge. */
import {
  type ConnectionSearch,
  type ConnectionState,
  connectionClose,
  connectionsFound,
  connectionsWanted,
} from '@polyedge/contracts/bus/console';
import type { Bus } from '@polyedge/service-kit/bus';
import { gather } from './gathering.ts';

export interface FoundConnection extends ConnectionState {
  readonly service: string;
  readonly instance: string;
}

export interface FoundConnections {
  readonly connections: readonly FoundConnection[];
  /** The number of matches, including those omitted. */
  readonly matching: number;
  /** Number of edges that did not answer in time. */
  readonly missing: number;
}

const MAX_SHOWN = 500;

/** @param edges known running instances */
export async function findConnections(
  bus: Pick<Bus, 'publish' | 'subscribe' | 'flush'>,
  tenant: string,
  search: ConnectionSearch,
  edges: readonly string[],
): Promise<FoundConnections> {
  const found: FoundConnection[] = [];
  let matching = 0;
  const missing = await gather({
    bus,
    processes: edges,
    subscribe: (question, answered) =>
      bus.subscribe(connectionsFound, connectionsFound.subject({ question }), (answer) => {
        const { service, instance } = answer;
        matching += answer.matching;
        for (const connection of answer.connections) found.push({ service, instance, ...connection });
        answered(instance);
      }),
    publish: (question) => bus.publish(connectionsWanted, {}, { question, tenant, search }),
  });
  found.sort((one, other) => other.bufferedBytes - one.bufferedBytes || other.since - one.since);
  return { connections: found.slice(0, MAX_SHOWN), matching, missing };
}

/** Requests the edge to close it. The result shows in the next search. */
export function closeConnection(
  bus: Pick<Bus, 'publish'>,
  target: { readonly instance: string; readonly api: string; readonly number: number; readonly tenant: string; readonly by: string },
): void {
  const { instance, ...rest } = target;
  bus.publish(connectionClose, { instance }, rest);
}

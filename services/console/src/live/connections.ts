/** Asks all edges for their connections at once and gathers what they answer. */
import { randomBytes } from 'node:crypto';
import {
  type ConnectionSearch,
  type ConnectionState,
  connectionClose,
  connectionsFound,
  connectionsWanted,
} from '@polyedge/contracts/bus/console';
import type { Bus } from '@polyedge/service-kit/bus';

export interface FoundConnection extends ConnectionState {
  readonly service: string;
  readonly instance: string;
}

export interface FoundConnections {
  readonly connections: readonly FoundConnection[];
  /** All that fit, also those that are left out. */
  readonly matching: number;
  /** Edges that did not answer in time. */
  readonly missing: number;
}

const ANSWER_MS = 1_500;
const MAX_SHOWN = 500;

/** @param edges instances that are known to run: when all have answered, nothing more is waited for */
export async function findConnections(
  bus: Pick<Bus, 'publish' | 'subscribe' | 'flush'>,
  tenant: string,
  search: ConnectionSearch,
  edges: readonly string[],
): Promise<FoundConnections> {
  const question = randomBytes(12).toString('hex');
  const found: FoundConnection[] = [];
  const waiting = new Set(edges);
  let matching = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => end(), ANSWER_MS);
    const answers = bus.subscribe(connectionsFound, connectionsFound.subject({ question }), (answer) => {
      const { service, instance } = answer;
      matching += answer.matching;
      for (const connection of answer.connections) found.push({ service, instance, ...connection });
      if (waiting.delete(instance) && waiting.size === 0) end();
    });
    const end = () => {
      clearTimeout(timer);
      answers.unsubscribe();
      resolve();
    };
    // Nobody may answer before the server knows who listens.
    void bus.flush(ANSWER_MS).then(() => bus.publish(connectionsWanted, {}, { question, tenant, search }));
  });
  found.sort((one, other) => other.bufferedBytes - one.bufferedBytes || other.since - one.since);
  return { connections: found.slice(0, MAX_SHOWN), matching, missing: waiting.size };
}

/** Tells the edge that has it. Whether it is gone shows when the connections are asked for again. */
export function closeConnection(
  bus: Pick<Bus, 'publish'>,
  target: { readonly instance: string; readonly api: string; readonly number: number; readonly tenant: string; readonly by: string },
): void {
  const { instance, ...rest } = target;
  bus.publish(connectionClose, { instance }, rest);
}

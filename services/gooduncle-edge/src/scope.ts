/** The scope of this edge's resources: the configured one, else the tenant's default scope, requested from graph-store until it is known. */
import { graphQuery } from '@polyedge/contracts/bus/graph';
import type { Bus } from '@polyedge/service-kit/bus';

const RETRY_MS = 250;

export interface Scope {
  /** Empty until it is known. */
  readonly current: string;
  close(): void;
}

export function findScope(bus: Bus, tenant: string, configured: string | undefined): Scope {
  let current = configured ?? '';
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const ask = async (): Promise<void> => {
    const reply = await bus.request(
      graphQuery,
      graphQuery.subject({ tenant }),
      { filter: { test: 'equal', path: ['xid'], value: `scope:${tenant}` }, limit: 1 },
      { timeoutMs: 2000 },
    );
    const found = reply.ok ? reply.value.elements[0]?.id : undefined;
    if (closed) return;
    if (found === undefined) timer = setTimeout(() => void ask(), RETRY_MS);
    else current = found;
  };
  if (configured === undefined) void ask();
  return {
    get current() {
      return current;
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

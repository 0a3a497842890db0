/** The heads of a tenant's current journal; follows the tenant when it moves. */
import { graphHead } from '@polyedge/contracts/bus/feed';
import type { Check } from '@polyedge/contracts/schema';
import type { Bus, Subscription } from './bus.ts';
import { busOfTenant } from './journal-bus.ts';

type GraphHead = typeof graphHead.body extends Check<infer Body> ? Body : never;

export function subscribeToHeads(bus: Bus, tenant: string, handler: (head: GraphHead) => void): Subscription {
  const subscribe = (): Subscription => busOfTenant(bus, tenant).subscribe(graphHead, graphHead.pattern({}), handler);
  let heads = subscribe();
  const moved = bus.placements?.onMoved((tenants) => {
    if (!tenants.has(tenant)) return;
    heads.unsubscribe();
    heads = subscribe();
  });
  return {
    unsubscribe: () => {
      moved?.unsubscribe();
      heads.unsubscribe();
    },
  };
}

/** Splits pages by tenant, once for all groups that read the same page. */
import type { JournalPage, TenantPage } from './messages.ts';

/** Cached for the lifetime of the page. */
const known = new WeakMap<JournalPage, Map<string, TenantPage>>();

export function pageOfTenant(page: JournalPage, tenant: string): TenantPage {
  let tenants = known.get(page);
  if (tenants === undefined) {
    tenants = new Map();
    known.set(page, tenants);
  }
  let own = tenants.get(tenant);
  if (own === undefined) {
    own = split(page, tenant);
    tenants.set(tenant, own);
  }
  return own;
}

function split(page: JournalPage, tenant: string): TenantPage {
  const items = page.items.filter(({ change }) => change.tenant === tenant);
  return { items, changes: items.map(({ change }) => change), bytes: items.reduce((sum, { bytes }) => sum + bytes, 0) };
}

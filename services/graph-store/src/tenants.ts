/**
 * `node services/graph-store/src/tenants.ts list|place TENANT [JOURNAL]`: in which journal each tenant is, and where a new one is to be. Reads
 * `DATABASE_ADMIN_URL` and `POLYEDGE_ADMIN_JOURNALS` (the owners), else `DATABASE_URL` and `POLYEDGE_JOURNALS`. `npm run polyedge -- tenants` calls it.
 */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { openDatabases } from './owned-databases.ts';
import { CannotPlace, listTenants, placeTenant } from './placing/place.ts';

const [command = '', tenant, journal] = process.argv.slice(2);
if (command !== 'list' && (command !== 'place' || tenant === undefined || journal === undefined)) {
  console.error('Usage: tenants.ts list | place TENANT JOURNAL');
  process.exit(2);
}
await using open = new AsyncDisposableStack();
try {
  const connections = openDatabases(open, { name: 'graph-store-tenants', max: 2 });
  if (command === 'place' && tenant !== undefined && journal !== undefined) {
    const outcome = await placeTenant(connections, tenant, journal);
    console.log(
      outcome === 'placed'
        ? `the tenant ${tenant} is in the journal ${journal}`
        : `the tenant ${tenant} was in the journal ${journal} already`,
    );
  } else console.log(JSON.stringify(await listTenants(connections)));
} catch (error) {
  const known = error instanceof CannotPlace || error instanceof CannotStart;
  console.error(`graph-store: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
}

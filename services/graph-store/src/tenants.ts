/**
 * `node services/graph-store/src/tenants.ts list|place TENANT [JOURNAL]`: in which journal each tenant is, and where a new one is to be. Reads
 * `DATABASE_ADMIN_URL` and `POLYEDGE_ADMIN_JOURNALS` (the owners), else `DATABASE_URL` and `POLYEDGE_JOURNALS`. `npm run polyedge -- tenants` calls it.
 */
import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { settings } from './config.ts';
import { journalsOf } from './journals.ts';
import { CannotPlace, listTenants, placeTenant } from './placing/place.ts';
import { connect } from './postgres/connect.ts';

const [command = '', tenant, journal] = process.argv.slice(2);
if (command !== 'list' && (command !== 'place' || tenant === undefined || journal === undefined)) {
  console.error('Usage: tenants.ts list | place TENANT JOURNAL');
  process.exit(2);
}
const { databaseAdminUrl, journals, adminJournals } = settings;
const read = readConfig('graph-store', { databaseUrl, databaseAdminUrl, journals, adminJournals }, process.env, settings);
if (!read.ok) {
  for (const problem of read.problems) console.error(`graph-store: ${problem}`);
  process.exit(2);
}
await using open = new AsyncDisposableStack();
try {
  const connections = new Map(
    journalsOf(read.config).map(({ name, databaseUrl: url, databaseAdminUrl: owner }) => {
      const sql = connect({ url: owner ?? url, name: 'graph-store-tenants', max: 2 });
      open.defer(() => sql.end({ timeout: 2 }));
      return [name, sql] as const;
    }),
  );
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

/**
 * `node services/graph-store/src/prepare.ts`: prepares the database once before a new version serves, with the owner's rights that serving
 * processes should not have. Reads `DATABASE_URL` (whose user is granted the rights to serve), `DATABASE_ADMIN_URL`, the same of further
 * journals, the partitions, and how long to wait for a database that is still starting.
 */
import { MAIN } from '@polyedge/contracts/journal';
import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { settings } from './config.ts';
import { journalsOf } from './journals.ts';
import { prepare } from './postgres/prepare.ts';
import { Transactions } from './postgres/transactions.ts';
import { whenReachable } from './postgres/when-reachable.ts';

const { databaseAdminUrl, databaseWaitMs, partitions, journals, adminJournals } = settings;
const read = readConfig(
  'graph-store',
  { databaseUrl, databaseAdminUrl, databaseWaitMs, partitions, journals, adminJournals },
  process.env,
  settings,
);
if (!read.ok) {
  for (const problem of read.problems) console.error(`graph-store: ${problem}`);
  process.exit(2);
}
const { config } = read;
try {
  for (const place of journalsOf(config)) {
    const of = place.name === MAIN ? '' : `journal ${place.name}: `;
    const patience = {
      waitMs: config.databaseWaitMs,
      onWait: (reason: string) => console.log(`graph-store: ${of}waiting for PostgreSQL: ${reason}`),
    };
    const serving = new Transactions({ url: place.databaseUrl, name: 'graph-store-prepare' });
    try {
      const applied = await whenReachable(patience, () => prepare({ ...place, partitions: config.partitions }, serving));
      console.log(applied.length === 0 ? `graph-store: ${of}nothing to do` : `graph-store: ${of}applied migrations ${applied.join(', ')}`);
    } finally {
      await serving.end();
    }
  }
} catch (error) {
  console.error(`graph-store: ${error instanceof CannotStart || error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/**
 * `node services/graph-store/src/prepare.ts`: what has to be done once before a new version serves, with the owner's rights that serving
 * processes should not hold. Reads `DATABASE_URL` (whose user gets the rights to serve), `DATABASE_ADMIN_URL`, the partitions, and
 * how long to wait for a database that is still starting.
 */
import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { settings } from './config.ts';
import { untilAnswers } from './postgres/answers.ts';
import { connect } from './postgres/connect.ts';
import { prepare } from './postgres/prepare.ts';

const { databaseAdminUrl, databaseWaitMs, partitions } = settings;
const read = readConfig('graph-store', { databaseUrl, databaseAdminUrl, databaseWaitMs, partitions }, process.env, settings);
if (!read.ok) {
  for (const problem of read.problems) console.error(`graph-store: ${problem}`);
  process.exit(2);
}
const serving = connect({ url: read.config.databaseUrl, name: 'graph-store-prepare', max: 1 });
try {
  await untilAnswers(serving, read.config.databaseWaitMs, (reason) => console.log(`graph-store: waiting for PostgreSQL: ${reason}`));
  const applied = await prepare(read.config, serving);
  console.log(applied.length === 0 ? 'graph-store: nothing to do' : `graph-store: applied migrations ${applied.join(', ')}`);
} catch (error) {
  console.error(`graph-store: ${error instanceof CannotStart || error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await serving.end({ timeout: 2 });
}

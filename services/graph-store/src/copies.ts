/**
 * `node services/graph-store/src/copies.ts backup|restore FOLDER`: copies the whole database into a folder, and back into an empty one. Reads
 * `DATABASE_ADMIN_URL` (the owner), else `DATABASE_URL`. `npm run backup` and `npm run restore` call it for the system on this machine.
 */
import { resolve } from 'node:path';
import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { settings } from './config.ts';
import { backUp, CannotRestore, restore } from './postgres/backup.ts';
import { connect } from './postgres/connect.ts';

const [command, folder] = process.argv.slice(2);
if ((command !== 'backup' && command !== 'restore') || folder === undefined) {
  console.error('Usage: copies.ts backup|restore FOLDER');
  process.exit(2);
}
const read = readConfig('graph-store', { databaseUrl, databaseAdminUrl: settings.databaseAdminUrl }, process.env, settings);
if (!read.ok) {
  for (const problem of read.problems) console.error(`graph-store: ${problem}`);
  process.exit(2);
}
const sql = connect({ url: read.config.databaseAdminUrl ?? read.config.databaseUrl, name: `graph-store-${command}`, max: 1 });
try {
  const { seq, epoch, madeOn } = await (command === 'backup' ? backUp(sql, resolve(folder)) : restore(sql, resolve(folder)));
  console.log(
    command === 'backup'
      ? `graph-store: ${folder} holds everything up to change ${seq} of epoch ${epoch}`
      : `graph-store: the database is as it was on ${madeOn}, at change ${seq}; its history has a new epoch`,
  );
} catch (error) {
  const known = error instanceof CannotRestore || (error instanceof Error && 'code' in error && error.code === 'EEXIST');
  console.error(`graph-store: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
} finally {
  await sql.end({ timeout: 2 });
}

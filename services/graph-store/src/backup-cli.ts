/**
 * `node services/graph-store/src/backup-cli.ts backup|restore FOLDER`: copies the databases of all journals into a folder, and back into empty
 * ones. Reads `DATABASE_ADMIN_URL` and `POLYEDGE_ADMIN_JOURNALS` (the owners), else `DATABASE_URL` and `POLYEDGE_JOURNALS`. `npm run backup` and `npm run restore` call it for the system on this machine.
 */
import { resolve } from 'node:path';
import { MAIN } from '@polyedge/contracts/journal';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { openDatabases } from './owned-databases.ts';
import { CannotCopy } from './postgres/backup.ts';
import { backUpAll, restoreAll } from './postgres/backup-journals.ts';
import { isPassing } from './postgres/link.ts';

const [command, folder, ...more] = process.argv.slice(2);
if ((command !== 'backup' && command !== 'restore') || folder === undefined || folder.startsWith('-') || more.length > 0) {
  console.error('Usage: backup-cli.ts backup|restore FOLDER');
  process.exit(2);
}
await using open = new AsyncDisposableStack();
try {
  const connections = openDatabases(open, `graph-store-${command}`);
  const manifests = await (command === 'backup' ? backUpAll(connections, resolve(folder)) : restoreAll(connections, resolve(folder)));
  for (const [name, { seq, epoch, madeOn }] of manifests) {
    const of = name === MAIN ? '' : ` of the journal ${name}`;
    console.log(
      command === 'backup'
        ? `graph-store: ${folder} holds everything${of} up to change ${seq} of epoch ${epoch}`
        : `graph-store: the database${of} is as it was on ${madeOn}, at change ${seq}; its history has a new epoch`,
    );
  }
} catch (error) {
  // What the system refuses names the file.
  const known = error instanceof Error && (error instanceof CannotCopy || error instanceof CannotStart || isPassing(error));
  console.error(`graph-store: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
}

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The variable through which `npm test` says where its servers have their data. */
export const SERVERS_FOLDER_VARIABLE = 'TEST_SERVERS_FOLDER';

/**
 * A new folder for a server whose data nobody keeps, in that of `TEST_SERVERS_FOLDER`, else where the system has its temporary files.
 * @param server its name, which the folder's name contains
 */
export function temporaryFolder(server: string): string {
  const chosen = process.env[SERVERS_FOLDER_VARIABLE] ?? '';
  return mkdtempSync(join(chosen === '' ? tmpdir() : chosen, `polyedge-${server}-`));
}

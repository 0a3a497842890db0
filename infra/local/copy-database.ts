/** Runs graph-store's own backup and restore for the database of the system on this machine. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { serviceProgram } from '@polyedge/testkit/servers/service';
import { databaseOwnerUrl } from './running-system.ts';

export async function copyDatabase(command: 'backup' | 'restore'): Promise<void> {
  const [folder, ...more] = process.argv.slice(2);
  if (folder === undefined || folder.startsWith('-') || more.length > 0) {
    console.error(`Usage: npm run ${command} -- FOLDER`);
    process.exit(2);
  }
  let url: string;
  try {
    url = databaseOwnerUrl();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
  const program = serviceProgram('graph-store').replace(/main\.ts$/, 'backup-cli.ts');
  const { status } = spawnSync(process.execPath, [program, command, resolve(folder)], {
    env: { ...process.env, POLYEDGE_MODE: 'local', DATABASE_ADMIN_URL: url },
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}

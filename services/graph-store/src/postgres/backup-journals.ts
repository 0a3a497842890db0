/**
 * Backup and restore of all journals. With only `main`, a backup is the folder of its database; with several it has one folder each. They
 * are copied one after the other, each as of one moment: tenants are independent, and a placement that changes meanwhile is detected.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAIN } from '@polyedge/contracts/journal';
import { backUp, CannotCopy, intoNewFolder, type Manifest, readManifest, requireEmpty, restore } from './backup.ts';
import type { Journals, Transactions } from './transactions.ts';

type Manifests = ReadonlyMap<string, Manifest>;

/** Writes a backup to a new folder, which gets its final name when it is complete; what is incomplete is removed. */
export async function backUpAll(journals: Journals, folder: string): Promise<Manifests> {
  const main = journals.get(MAIN);
  if (main === undefined) throw new CannotCopy(`the journal ${MAIN} is missing`);
  if (journals.size === 1) return new Map([[MAIN, await backUp(main, folder)]]);
  return await intoNewFolder(folder, async (partial) => {
    const before = await placementsOf(main);
    const manifests = new Map<string, Manifest>();
    for (const [name, database] of journals) manifests.set(name, await backUp(database, join(partial, name)));
    if ((await placementsOf(main)) !== before)
      throw new CannotCopy('a tenant was placed meanwhile, so the backup may lack it; repeat the backup');
    const undone = await undoneMove(journals);
    if (undone !== undefined)
      throw new CannotCopy(`the move of ${undone} was decided meanwhile, so the backup may lack it; repeat the backup`);
    return manifests;
  });
}

/** Changes whenever a tenant is placed. */
async function placementsOf(main: Transactions): Promise<number> {
  const [row] = await main.run((sql) => sql<{ version: number }[]>`select version from placement_version`);
  if (row === undefined) throw new Error('the placements have no version');
  return row.version;
}

/** A tenant whose move was decided but is not in the placements yet: its copies may be from before and after the move. */
async function undoneMove(journals: Journals): Promise<string | undefined> {
  for (const database of journals.values()) {
    const [row] = await database.run((sql) => sql<{ tenant: string }[]>`select tenant from arrival where complete`);
    if (row !== undefined) return row.tenant;
  }
  return undefined;
}

/** Restores empty databases from a backup of the same journals, each atomically. All are looked at before the first is restored. */
export async function restoreAll(journals: Journals, folder: string): Promise<Manifests> {
  const several = existsSync(join(folder, MAIN, 'manifest.json'));
  const copied = several ? await readdir(folder) : [MAIN];
  const unknown = copied.find((name) => !journals.has(name));
  if (unknown !== undefined)
    throw new CannotCopy(
      `the backup holds the journal ${unknown}, for which POLYEDGE_ADMIN_JOURNALS and POLYEDGE_JOURNALS name no database`,
    );
  // A journal that is newer than the backup starts empty.
  const restored = [...journals].filter(([name]) => copied.includes(name));
  const folderOf = (name: string): string => (several ? join(folder, name) : folder);
  for (const [name, database] of restored) {
    await readManifest(folderOf(name));
    await requireEmpty(database);
  }
  const manifests = new Map<string, Manifest>();
  for (const [name, database] of restored) manifests.set(name, await restore(database, folderOf(name)));
  return manifests;
}

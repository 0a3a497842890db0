import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Files to run, each in a process of its own, for these test files: those that share a process become one that imports them, in the place of
 * the first of them.
 * @param sharedBy the process that a file shares with others, by its name; undefined for one of its own
 * @param root the folder to which their paths are relative
 * @param folder where files are written; created if it does not exist
 */
export function processesOf(
  files: readonly string[],
  sharedBy: (file: string) => string | undefined,
  { root, folder }: { readonly root: string; readonly folder: string },
): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const processes = Map.groupBy(files, (file) => sharedBy(file) ?? file);
  return [...processes].map(([name, some]) => {
    if (files.includes(name)) return join(root, name);
    const path = join(folder, `${name}.test.mjs`);
    writeFileSync(path, some.map((file) => `import ${JSON.stringify(pathToFileURL(join(root, file)).href)};\n`).join(''));
    return path;
  });
}

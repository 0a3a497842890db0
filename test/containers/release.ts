/** The sources of an earlier release, out of the history of this working copy. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Release extends Disposable {
  readonly sources: string;
}

/** @returns the sources of a commit in a folder of their own; undefined when the history does not have it */
export function releaseOf(root: string, commit: string): Release | undefined {
  const sources = mkdtempSync(join(tmpdir(), 'polyedge-release-'));
  const remove = (): void => rmSync(sources, { recursive: true, force: true });
  const packed = spawnSync('git', ['archive', '--format=tar', commit], { cwd: root, maxBuffer: 256 * 1024 * 1024 });
  const unpacked = packed.status === 0 ? spawnSync('tar', ['-x', '-C', sources], { input: packed.stdout }) : undefined;
  if (unpacked?.status === 0) return { sources, [Symbol.dispose]: remove };
  remove();
  return undefined;
}

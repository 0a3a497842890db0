/**
 * `npm run soak -- upgrade [--from COMMIT] [--seconds N]`: two replicas of every service, of the release of another commit, replaced one after the
 * other by those of this working copy and then back again, with clients of all five protocols on them and writers that never stop; the database
 * is prepared by this release before the first.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { upgrade } from '../upgrade/run.ts';

const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({ options: { from: { type: 'string', default: 'HEAD~1' }, seconds: { type: 'string', default: '60' } } });
const checkout = mkdtempSync(join(tmpdir(), 'polyedge-upgrade-'));
const git = (...args: readonly string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
try {
  const commit = git('rev-parse', '--short', values.from);
  git('worktree', 'add', '--detach', '--force', checkout, commit);
  console.log(`installing the packages of ${commit} …`);
  const pnpm = join(root, '.polyedge/toolchain/node_modules/pnpm/bin/pnpm.cjs');
  const installed = spawnSync(process.execPath, [pnpm, 'install', '--frozen-lockfile', '--prefer-offline'], {
    cwd: checkout,
    env: { ...process.env, CI: 'true' },
    encoding: 'utf8',
  });
  if (installed.status !== 0) throw new Error(installed.stdout + installed.stderr);
  const { problems, lines } = await upgrade(checkout, Number(values.seconds), (line) => console.log(line));
  for (const line of lines) console.log(line);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  spawnSync('git', ['worktree', 'remove', '--force', checkout], { cwd: root });
  rmSync(checkout, { recursive: true, force: true });
}
process.exit();

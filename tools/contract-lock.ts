/**
 * Prints how the channels differ from the lock of the last release, and updates the lock. Refuses if a difference is incompatible, unless
 * `--breaking` is given: processes of two versions would misunderstand each other. Before the first release nothing must be kept compatible.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogue } from '@polyedge/contracts/catalogue';
import { differences, type Lock, lockOf } from '@polyedge/contracts/lock';

const file = join(import.meta.dirname, '../libs/contracts/contract-lock.json');
const before: Lock = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
const now = lockOf(catalogue);
const found = differences(before, now);
for (const { address, compatible, what } of found) console.log(`${compatible ? 'compatible  ' : 'INCOMPATIBLE'} ${address} ${what}`);
if (found.some(({ compatible }) => !compatible) && !process.argv.includes('--breaking')) {
  console.error('not written: give the channel a new version, or pass --breaking');
  process.exitCode = 1;
} else {
  writeFileSync(file, `${JSON.stringify(now, undefined, 2)}\n`);
  console.log(`wrote ${file}`);
}

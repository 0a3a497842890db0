/**
 * What a service imports may turn the prototypes of texts and numbers into dictionaries, as `class … extends String` does in V8: the methods of
 * every text of the process are then looked up at each call, for ever (libs/journal/src/redis.ts).
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const apps = globSync('services/*/src/app.ts', { cwd: root });
const PROTOTYPES = ['String', 'Number', 'BigInt', 'Boolean'];

/** The prototypes that are slow after a program has run. */
async function slowAfter(program: string): Promise<string> {
  const report = PROTOTYPES.map((name) => `if (!%HasFastProperties(${name}.prototype)) console.log('${name}');`).join('');
  const args = ['--allow-natives-syntax', '--input-type=module', '--eval', `${program};${report}`];
  return (await promisify(execFile)(process.execPath, args)).stdout.trim();
}

suite('methods of texts and numbers are found at once', { concurrency: 3 }, () => {
  test('there are services, and one whose texts are slow is found', async () => {
    assert.ok(apps.length >= 8, apps.join());
    assert.equal(await slowAfter('class Slow extends String {}'), 'String');
  });
  for (const app of apps)
    test(`in ${app}`, async () => assert.equal(await slowAfter(`await import('${pathToFileURL(resolve(root, app)).href}')`), ''));
});

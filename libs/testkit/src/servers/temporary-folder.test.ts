import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite, test } from 'node:test';
import { SERVERS_FOLDER_VARIABLE, temporaryFolder } from './temporary-folder.ts';

suite('the folder of a server whose data nobody keeps', () => {
  test('is a new one in the folder of the variable, or where the system has its temporary files', (t) => {
    const before = process.env[SERVERS_FOLDER_VARIABLE];
    const chosen = mkdtempSync(join(tmpdir(), 'polyedge-chosen-'));
    t.after(() => {
      if (before === undefined) delete process.env[SERVERS_FOLDER_VARIABLE];
      else process.env[SERVERS_FOLDER_VARIABLE] = before;
      rmSync(chosen, { recursive: true, force: true });
    });
    process.env[SERVERS_FOLDER_VARIABLE] = chosen;
    const made = [temporaryFolder('postgres'), temporaryFolder('postgres')];
    assert.deepEqual(made.map(dirname), [chosen, chosen]);
    assert.equal(readdirSync(chosen).length, 2);
    process.env[SERVERS_FOLDER_VARIABLE] = '';
    const other = temporaryFolder('nats');
    t.after(() => rmSync(other, { recursive: true, force: true }));
    assert.equal(dirname(other), tmpdir());
    assert.ok(existsSync(other));
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { lockFolder } from './folder-lock.mjs';

suite('a lock between processes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-lock-'));
  after(() => rmSync(folder, { recursive: true }));

  test('is refused while its holder lives, and free again once it is released', async () => {
    const file = join(folder, 'held');
    const unlock = await lockFolder(file);
    assert.ok(unlock);
    assert.equal(await lockFolder(file), undefined);
    unlock();
    assert.ok(await lockFolder(file));
  });

  test('of a process that is gone is taken over', async () => {
    const file = join(folder, 'gone');
    const { pid } = spawnSync(process.execPath, ['--version']);
    writeFileSync(file, `${pid} 1`);
    assert.ok(await lockFolder(file));
  });

  test('whose process id belongs to another process by now is taken over', async () => {
    const file = join(folder, 'reused');
    writeFileSync(file, `${process.ppid} 1`);
    assert.ok(await lockFolder(file));
  });

  test('is given to exactly one of many processes that find it stale at once', async () => {
    const file = join(folder, 'contended');
    writeFileSync(file, '999999999 1');
    const results = await Promise.all(Array.from({ length: 20 }, () => lockFolder(file)));
    assert.equal(results.filter((unlock) => unlock !== undefined).length, 1);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('contended')),
      ['contended'],
    );
  });

  test('names its holder and is waited for as long as allowed', async () => {
    const file = join(folder, 'waited');
    const unlock = await lockFolder(file);
    const holders: number[] = [];
    const next = lockFolder(file, {
      waitMs: 10_000,
      onWait: (holder) => {
        holders.push(holder);
        unlock?.();
      },
    });
    assert.ok(await next);
    assert.deepEqual(holders, [process.pid]);
  });
});

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { memoryFolder } from './memory-folder.ts';

suite('the folder in memory', () => {
  test('is chosen if its files are in memory and there is room for those of the tests', () => {
    const room = { type: 0x01021994, freeBytes: 8 * 1024 ** 3, availableBytes: 8 * 1024 ** 3 };
    assert.equal(
      memoryFolder(() => room),
      '/dev/shm',
    );
    assert.equal(
      memoryFolder(() => ({ ...room, type: 0xef53 })),
      undefined,
      'a disk',
    );
    assert.equal(
      memoryFolder(() => ({ ...room, freeBytes: 64 * 1024 ** 2 })),
      undefined,
      'the folder of a container',
    );
    assert.equal(
      memoryFolder(() => ({ ...room, availableBytes: 2 * 1024 ** 3 })),
      undefined,
      'a small machine',
    );
    assert.equal(
      memoryFolder(() => undefined),
      undefined,
      'no such folder',
    );
  });
});

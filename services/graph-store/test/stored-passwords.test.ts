import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoredPasswords } from '../src/accounts/stored-passwords.ts';
import { preparedPool } from './prepared-pool.ts';

test('a password is stored again with the cost of today when it is given, and works before and after', async () => {
  await using prepared = await preparedPool();
  const { sql } = prepared.pool;
  const [before, now] = [new StoredPasswords(sql, 10), new StoredPasswords(sql, 11)];
  const stored = async () => {
    const [row] = await sql<{ password: string }[]>`select password from account_secret where account = 'ann'`;
    return row?.password ?? '';
  };
  await before.save('ann', await before.hash('proof'));
  const first = await stored();
  assert.match(first, /^scrypt\$1024\$8\$1\$/);
  assert.equal(await before.verify('proof', 'ann'), true);
  assert.equal(await now.verify('wrong', 'ann'), false);
  assert.equal(await stored(), first, 'nothing has changed');
  assert.equal(await now.verify('proof', 'ann'), true);
  const second = await stored();
  assert.match(second, /^scrypt\$2048\$8\$1\$/);
  assert.equal(await now.verify('proof', 'ann'), true);
  assert.equal(await stored(), second);
  for (const account of [undefined, 'bob']) assert.equal(await now.verify('proof', account), false);
});

test('a password that is changed while the one before is given is not stored over', async () => {
  await using prepared = await preparedPool();
  const { sql } = prepared.pool;
  const [before, now] = [new StoredPasswords(sql, 10), new StoredPasswords(sql, 14)];
  await before.save('ann', await before.hash('old'));
  const given = now.verify('old', 'ann');
  await Promise.all([given, before.hash('new').then((hash) => before.save('ann', hash))]);
  assert.equal(await before.verify('new', 'ann'), true);
  assert.equal(await before.verify('old', 'ann'), false);
});

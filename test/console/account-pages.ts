/** The page of accounts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import type { Stage } from './stage.ts';
import { ask, logIn } from './system.ts';

export function accountPages(stage: () => Stage): void {
  test('failed logins of an account are seen, and forgotten when an administrator says so', async () => {
    const cookie = await logIn(stage().system.url);
    const account = { username: 'forgetful', password: 'a long password' };
    assert.equal(
      (await ask(`${stage().system.url}/api/accounts`, 'POST', { ...account, roles: { console: ['admin'] } }, { cookie })).status,
      200,
    );
    const guess = async () => (await ask(`${stage().system.url}/api/session`, 'POST', { ...account, password: 'wrong' })).status;
    const row = stage().page.getByRole('row', { name: /^forgetful/ });
    assert.equal(await guess(), 401);
    await stage().page.goto(`${stage().system.url}/accounts`);
    await row.getByText('1 failed login', { exact: true }).waitFor();
    for (let at = 0; at < 3; at += 1) await guess();
    assert.equal((await ask(`${stage().system.url}/api/session`, 'POST', account)).status, 429);
    await stage().page.goto(`${stage().system.url}/accounts`);
    await row.getByText('blocked until').waitFor();
    await row.getByRole('button', { name: 'Forget failed logins' }).click();
    await row.getByText('blocked until').waitFor({ state: 'detached' });
    assert.equal((await ask(`${stage().system.url}/api/session`, 'POST', account)).status, 200);
  });
}

/** After the tests that look at every page: many accounts stay. */
export function manyAccounts(stage: () => Stage): void {
  test('many accounts are listed in parts, all or those with a text in their names', async () => {
    const { system, page } = stage();
    const cookie = await logIn(system.url);
    const names = Array.from({ length: 205 }, (_, n) => `crowd-${String(n).padStart(3, '0')}`);
    const waiting = names.values();
    const make = async (): Promise<void> => {
      for (const username of waiting)
        assert.equal((await ask(`${system.url}/api/accounts`, 'POST', { username, roles: {} }, { cookie })).status, 200);
    };
    await Promise.all(Array.from({ length: 10 }, make));
    const rows = page.getByRole('row', { name: /^crowd-/ });
    const search = async (text: string): Promise<void> => {
      await page.getByLabel('User name contains').fill(text);
      await page.getByLabel('User name contains').press('Enter');
    };
    await page.goto(`${system.url}/accounts`);
    await search('CROWD-');
    // All accounts together had as many in their first page.
    await until('the first page has only those that fit', async () => (await rows.count()) === 200);
    await page.getByText('the first 200', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'More accounts' }).click();
    await page.getByText('205', { exact: true }).waitFor();
    assert.equal(await rows.count(), 205);
    assert.equal(await page.getByRole('button', { name: 'More accounts' }).count(), 0);
    await search('crowd-204');
    await page.getByText('1', { exact: true }).waitFor();
    await rows.getByText('crowd-204').waitFor();
    await search('nobody-has-this');
    await page.getByText('No account fits.').waitFor();
  });
}

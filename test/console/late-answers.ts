/** What happens between a click and its answer, when the answer is late. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import type { Stage } from './stage.ts';

/** Holds requests to addresses of this form back. @returns what lets them go on */
export async function holdBack(page: Page, url: string, method: string): Promise<() => void> {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  await page.route(url, async (route) => {
    if (route.request().method() === method) await held;
    await route.continue();
  });
  return release;
}

export function lateAnswers(stage: () => Stage): void {
  test('a script that is being saved cannot be changed, nor saved again, and one is made by two clicks', async () => {
    const { page: other, system } = stage();
    const page = await other.context().newPage();
    const creation = await holdBack(page, '**/scripts', 'POST');
    const saving = await holdBack(page, '**/scripts/*', 'PUT');
    let made = 0;
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/scripts')) made += 1;
    });
    await page.goto(`${system.url}/runnables`);
    await page.getByRole('button', { name: 'New script' }).dblclick();
    creation();
    const code = page.getByLabel('Code');
    await code.fill('console.log(1);');
    const save = page.getByRole('button', { name: 'Save' });
    await save.click();
    await page.locator('textarea[name=body]:read-only').waitFor();
    assert.deepEqual([await save.isDisabled(), await page.getByLabel('Enabled').isDisabled()], [true, true]);
    saving();
    await page.getByText('It is saved.').waitFor();
    await code.fill('console.log(2);');
    assert.equal(await save.isEnabled(), true);
    assert.equal(made, 1);
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete script' }).click();
    await page.getByRole('button', { name: 'New script' }).waitFor();
    await page.close();
  });

  test('a pane that was left, or told to disconnect, opens no connection when its token comes', async () => {
    const { page: other, system } = stage();
    const page = await other.context().newPage();
    const token = await holdBack(page, '**/api/token', 'POST');
    let opened = 0;
    page.on('websocket', () => {
      opened += 1;
    });
    await page.goto(`${system.url}/try`);
    const pane = (name: string) => page.getByRole('radio', { name }).check({ force: true });
    const click = (name: string) => page.getByRole('button', { name, exact: true }).click();
    await pane('Good Uncle');
    await click('Connect');
    await click('Disconnect');
    await click('Connect');
    await pane('HIRO graph');
    await click('Connect');
    token();
    await page.getByText('open', { exact: true }).first().waitFor();
    assert.equal(opened, 1);
    await page.close();
  });
}

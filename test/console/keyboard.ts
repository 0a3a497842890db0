/** The pages with the keyboard alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import type { Page } from 'playwright-core';
import { loaded } from './layout.ts';
import type { Stage } from './stage.ts';

const MAX_STEPS = 2000;

/** Runs in the page: marks each element that takes the focus. */
const MARK = `document.addEventListener('focusin', ({ target }) => { target.dataset.reached = ''; })`;
/** Runs in the page: controls that never had the focus. In a group of radio buttons one takes it, and arrow keys reach the others. */
const MISSED = `[...document.querySelectorAll('button, a[href], input:not([type=radio]), select, textarea, summary')]
  .filter((element) => element.dataset.reached === undefined && !element.disabled && element.checkVisibility({ visibilityProperty: true }))
  .map((element) => element.outerHTML.slice(0, 200))`;
/** Runs in the page: how a screen reader would call the element that has the focus. */
const FOCUSED = `(({ activeElement: at }) => (at.getAttribute('aria-label') ?? at.labels?.[0]?.firstChild?.textContent ?? at.textContent ?? '').trim())(document)`;
const AT_THE_END = 'document.activeElement === document.body';

/** Presses Tab until the focus has left the page twice: it may have begun in the middle. */
async function missed(page: Page): Promise<readonly string[]> {
  await page.evaluate(MARK);
  for (let steps = 0, rounds = 0; rounds < 2; steps += 1) {
    assert.ok(steps < MAX_STEPS, `${page.url()} has no end`);
    await page.keyboard.press('Tab');
    if ((await page.evaluate(AT_THE_END)) === true) rounds += 1;
  }
  return (await page.evaluate(MISSED)) as readonly string[];
}

/** Presses Tab until the control of this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(FOCUSED)) === name) return;
  }
  assert.fail(`Tab does not reach "${name}"`);
}

/** @param paths of the pages whose controls are counted */
export function keyboardPages(paths: readonly string[], stage: () => Stage): void {
  test('the keyboard reaches every control of every page', async () => {
    const { page, system } = stage();
    const found: string[] = [];
    for (const path of paths) {
      await page.goto(`${system.url}/${path}`);
      await page.locator('main h1').first().waitFor();
      await loaded(page);
      found.push(...(await missed(page)).map((html) => `${path}: ${html}`));
    }
    assert.deepEqual(found, []);
  });

  test('an account is created and disabled with the keyboard alone; Escape takes a question back', async () => {
    const { page, system } = stage();
    const { keyboard } = page;
    const row = page.getByRole('row', { name: /^by-keyboard/ });
    await page.goto(`${system.url}/accounts`);
    await loaded(page);
    await tabTo(page, 'New account');
    await keyboard.press('Enter');
    await tabTo(page, 'User name');
    await keyboard.type('by-keyboard');
    await keyboard.press('Tab');
    await keyboard.type('a long password');
    await keyboard.press('Tab');
    await keyboard.type('gooduncle: customer');
    await tabTo(page, 'Create');
    await keyboard.press('Enter');
    await row.waitFor();
    await tabTo(page, 'User name contains');
    await keyboard.type('by-keyboard');
    await keyboard.press('Enter');
    // Else the first account would be another one.
    const disables = page.getByRole('button', { name: 'Disable', exact: true });
    await until('it is the only account of the list', async () => (await row.count()) === 1 && (await disables.count()) === 1);
    await tabTo(page, 'Disable');
    await keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await tabTo(page, 'Disable');
    await keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await tabTo(page, 'Disable');
    await keyboard.press('Enter');
    await row.getByText('disabled', { exact: true }).waitFor();
  });
}

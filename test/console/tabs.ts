/** Many tabs of one browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PATIENCE_MS } from '@polyedge/testkit/until';
import type { Page } from 'playwright-core';
import { type Stage, writeNote } from './stage.ts';

/** More than the connections that a browser opens to one host. */
const TABS = 8;

/** Playwright's pages are all in sight: what a browser tells a page that it hides or shows. */
const show = (page: Page, shown: boolean) =>
  page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: ${!shown} });
    document.dispatchEvent(new Event('visibilitychange'))`);

export function tabs(stage: () => Stage): void {
  test('of many tabs the one in sight is live, and a tail that comes back shows what it missed, each change once', async () => {
    const { page, system } = stage();
    const opened: Page[] = [];
    for (let at = 0; at < TABS; at += 1) {
      const tab = await page.context().newPage();
      tab.setDefaultTimeout(PATIENCE_MS);
      await tab.goto(`${system.url}/tail`);
      await tab.getByText('Waiting for changes').waitFor();
      await show(tab, false);
      opened.push(tab);
    }
    const [first, last] = [opened[0], opened.at(-1)];
    assert.ok(first !== undefined && last !== undefined);
    await writeNote(stage(), 'while it was hidden');
    await show(last, true);
    await last.getByText('while it was hidden').waitFor();
    await writeNote(stage(), 'while it is shown');
    await last.getByText('while it is shown').waitFor();
    await show(first, true);
    await first.getByText('while it is shown').waitFor();
    await writeNote(stage(), 'now both are shown');
    for (const tab of [first, last]) {
      await tab.getByText('now both are shown').waitFor();
      for (const text of ['while it was hidden', 'while it is shown', 'now both are shown'])
        assert.equal(await tab.getByText(text).count(), 1, text);
    }
    for (const tab of opened) await tab.close();
  });

  test('the tail shows its newest hundred changes, and older ones when asked', async () => {
    const { page, system } = stage();
    await page.goto(`${system.url}/tail`);
    await page.getByText('Waiting for changes').waitFor();
    await Promise.all(Array.from({ length: 120 }, (_, at) => writeNote(stage(), `one of many ${at}`)));
    const rows = page.locator('main tbody tr');
    const older = page.getByRole('button', { name: /^Show \d+ older$/ });
    await older.waitFor();
    assert.equal(await rows.count(), 100);
    await older.click();
    await page.getByRole('button', { name: 'Show fewer' }).waitFor();
    assert.ok((await rows.count()) > 100);
  });
}

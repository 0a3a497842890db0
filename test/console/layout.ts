/** What must hold for the layout of a page at any width. */
import { until } from '@polyedge/testkit/until';
import type { Page } from 'playwright-core';

/** From a telephone to a wide screen, and on both sides of each width at which the layout changes. */
export const WIDTHS = [360, 480, 640, 720, 721, 768, 900, 901, 1024, 1160, 1280, 1440, 1600] as const;

/**
 * Runs in the page: what can be clicked or typed into and is cut off at a side, by the window or by something around it that clips or scrolls.
 * What is scrolled up and down is in sight after a turn of the wheel; a button at the side of a table is not expected there. The tables of documents
 * are text, which is read by scrolling.
 */
const CUT_OFF = `[...document.querySelectorAll('button, a[href], input, select, textarea, summary')].flatMap((element) => {
  const { left, right, width } = element.getBoundingClientRect();
  if (width === 0 || element.closest('.docs td') !== null || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return [];
  for (let around = element.parentElement; around !== null; around = around.parentElement) {
    if (getComputedStyle(around).overflowX === 'visible' && around !== document.documentElement) continue;
    const box = around === document.documentElement ? { left: 0, right: innerWidth } : around.getBoundingClientRect();
    if (left < box.left - 1 || right > box.right + 1) return [element.outerHTML.slice(0, 200)];
  }
  return [];
})`;

/** Until the page shows what it asked for. */
export async function loaded(page: Page): Promise<void> {
  // Through the protocol of the debugger: the page's own policy lets no script of others wait in it.
  const isLoading = () => page.evaluate("document.body.textContent.includes('Loading …')");
  await until(`${page.url()} is loaded`, async () => !(await isLoading()));
}

/** What is wrong with the page as it is now; empty if nothing. */
export async function layoutProblems(page: Page): Promise<readonly string[]> {
  const beyond = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
  const cut = (await page.evaluate(CUT_OFF)) as readonly string[];
  return [...(beyond > 0 ? [`the page is ${beyond} px too wide`] : []), ...cut.map((html) => `cut off: ${html}`)];
}

/**
 * Real pages of the console: tabs of one window of Chromium, of which only the newest is in sight. An administrator's browser is not on a
 * server, so it gets only the CPU time that others leave.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumProgram, findProgram } from '@polyedge/testkit/servers/find-program';
import { chromium } from 'playwright-core';
import { startWithLowestPriority } from './lowest-priority.ts';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-port=0'];
const LOOK_MS = 50;

export class BrowserTabs implements AsyncDisposable {
  readonly #parts: AsyncDisposableStack;
  readonly #debugging: string;
  /** The browser; its tabs are processes below it. */
  readonly pid: number;

  static async start(): Promise<BrowserTabs> {
    const program = findProgram(chromiumProgram);
    if (program.kind !== 'file') throw new Error('Chromium is needed as a program');
    await using parts = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'polyedge-chromium-'));
    parts.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
    const browser = startWithLowestPriority(program.path, [...FLAGS, `--user-data-dir=${folder}`, 'about:blank'], 'ignore');
    parts.defer(async () => {
      const ended = once(browser, 'exit');
      if (browser.exitCode === null && browser.pid !== undefined && process.kill(-browser.pid, 'SIGKILL')) await ended;
    });
    const file = join(folder, 'DevToolsActivePort');
    while (!existsSync(file) || !readFileSync(file, 'utf8').includes('\n')) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    return new BrowserTabs(parts.move(), `http://127.0.0.1:${readFileSync(file, 'utf8').split('\n')[0]}`, browser.pid ?? 0);
  }

  private constructor(parts: AsyncDisposableStack, debugging: string, pid: number) {
    this.pid = pid;
    this.#parts = parts;
    this.#debugging = debugging;
  }

  /** Gives the browser the session cookie of a console. */
  async logIn(url: string, who: { readonly username: string; readonly password: string }): Promise<void> {
    // Only for this: while Playwright is connected, every tab takes itself for the one in sight.
    const browser = await chromium.connectOverCDP(this.#debugging);
    const headers = { 'x-polyedge-console': '1' };
    const answer = await browser.contexts()[0]?.request.post(`${url}/api/session`, { data: who, headers });
    await browser.close();
    if (answer?.ok() !== true) throw new Error(`login: HTTP ${answer?.status()}`);
  }

  /** Opens tabs, each in front of those before it. @returns closes them */
  async open(urls: readonly string[]): Promise<() => Promise<void>> {
    const ids: string[] = [];
    for (const url of urls) {
      const made = await this.#ask(`new?${url}`, 'PUT');
      ids.push(String((made as { readonly id: string }).id)); // what Chromium answers
    }
    return async () => {
      for (const id of ids) await this.#ask(`close/${id}`);
    };
  }

  async #ask(what: string, method = 'GET'): Promise<unknown> {
    const response = await fetch(`${this.#debugging}/json/${what}`, { method, signal: AbortSignal.timeout(20_000) });
    const text = await response.text();
    return text.startsWith('{') ? JSON.parse(text) : text;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

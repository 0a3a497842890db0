/** The console on the real system: access to its API, and its pages in a browser. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import type { BrowserContext, Page } from 'playwright-core';
import { Client } from '../services/gooduncle-edge/test/client.ts';
import { hashed } from '../services/gooduncle-edge/test/system.ts';
import { metered, subscription } from '../services/space-edge/test/metered.ts';
import { asAdmin, pricing, Rest } from '../services/space-edge/test/system.ts';
import { accountPages, manyAccounts } from './console/account-pages.ts';
import { groupPages } from './console/group-pages.ts';
import { keyboardPages } from './console/keyboard.ts';
import { lateAnswers } from './console/late-answers.ts';
import { layoutProblems, loaded, WIDTHS } from './console/layout.ts';
import { overtakenAnswers } from './console/overtaken-answers.ts';
import { protocolPages } from './console/protocol-pages.ts';
import { picture, type Stage, writeNote } from './console/stage.ts';
import { ADMIN, ask, cookiesOf, hiroToken, logIn, type System, startSystem } from './console/system.ts';
import { tabs } from './console/tabs.ts';

const PROTECTED = [
  'now',
  'status',
  'tail',
  'elements',
  'element?id=x',
  'changes/1',
  'groups',
  'connections',
  'accounts',
  'changes/1/frames',
  'space',
];
const PAGES = ['', 'tail', 'graph', 'groups', 'connections', 'accounts', 'runnables', 'space', 'try', 'docs', 'docs/architecture'];
/** Of which pictures are made: a telephone, a tablet, a desk. */
const PICTURED: readonly number[] = [360, 768, 1280];
const HARMLESS = '<img src=x onerror="document.title=1">';

suite('the console', { timeout: 300_000 }, () => {
  let system: System;
  let url: string;
  let context: BrowserContext;
  let page: Page;
  let token: string;
  const problems: string[] = [];
  /** Everything that the page asked for. */
  const addresses: string[] = [];

  before(async () => {
    system = await startSystem();
    url = system.url;
    context = await system.browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    context.setDefaultTimeout(PATIENCE_MS);
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => addresses.push(request.url()));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) problems.push(message.text());
    });
    token = await hiroToken(system.edges.hiro);
  });
  after(async () => {
    await system?.[Symbol.asyncDispose]();
  });

  const stage = (): Stage => ({ system, page, token });
  const write = (name: string) => writeNote(stage(), name);
  const seen = (text: string) => page.getByText(text, { exact: true }).first().waitFor();

  test('answers 401 without a login', async () => {
    for (const path of PROTECTED) assert.equal((await ask(`${url}/api/${path}`)).status, 401, path);
    assert.equal((await ask(`${url}/api/token`, 'POST', {})).status, 401);
    assert.equal((await ask(`${url}/api/status`, 'GET', undefined, { cookie: 'polyedge_console=eyJhbGciOiJub25lIn0.e30.' })).status, 401);
  });

  test('cannot be framed, loads no third-party resources, and may connect only to the edges', async () => {
    const { headers, body } = await ask(`${url}/tail`);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    for (const edge of Object.values(system.edges)) assert.ok(policy.includes(edge.replace('http', 'ws')), edge);
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('access-control-allow-origin'), null);
    assert.doesNotMatch(String(body), /https?:\/\/(?!www\.w3\.org)/);
  });

  test('keeps the session out of reach of scripts and other sites', async () => {
    const { headers } = await ask(`${url}/api/session`, 'POST', ADMIN);
    const lines = headers.getSetCookie();
    assert.equal(lines.length, 2);
    for (const line of lines) assert.match(line, /HttpOnly; SameSite=Strict/);
  });

  test('changes nothing for a cross-site request', async () => {
    const cookie = await logIn(url);
    const account = { username: 'made by another site', password: 'long enough', roles: {} };
    const from = (headers: Readonly<Record<string, string>>) => ask(`${url}/api/accounts`, 'POST', account, { cookie, ...headers });
    assert.equal((await from({ 'x-polyedge-console': '' })).status, 403);
    assert.equal((await from({ origin: 'https://evil.example' })).status, 403);
    assert.equal((await from({ origin: 'null' })).status, 403);
    assert.equal((await from({ 'sec-fetch-site': 'cross-site' })).status, 403);
    const { body } = await ask(`${url}/api/accounts`, 'GET', undefined, { cookie });
    assert.doesNotMatch(JSON.stringify(body), /made by another site/);
    assert.equal((await from({ origin: url })).status, 200);
  });

  test('rejects an account that is not an administrator, and revokes its login', async () => {
    const cookie = await logIn(url);
    const viewer = { username: 'viewer', password: 'viewer-password' };
    assert.equal((await ask(`${url}/api/accounts`, 'POST', { ...viewer, roles: { hiro: ['reader'] } }, { cookie })).status, 200);
    const refused = await ask(`${url}/api/session`, 'POST', viewer);
    assert.equal(refused.status, 403);
    assert.doesNotMatch(cookiesOf(refused), /=ey/);
    const { body } = await ask(`${system.edges.hiro}/api/auth/6.6/app`, 'POST', { client_id: 'test', client_secret: '', ...viewer });
    const other = String((body as { readonly _TOKEN: string })._TOKEN);
    for (const path of PROTECTED) {
      assert.equal((await ask(`${url}/api/${path}`, 'GET', undefined, { authorization: `Bearer ${other}` })).status, 403, path);
    }
  });

  test('counts failed logins like other logins', async () => {
    const guess = () => ask(`${url}/api/session`, 'POST', { username: 'nobody', password: 'wrong' });
    const statuses: number[] = [];
    for (let at = 0; at < 5; at += 1) statuses.push((await guess()).status);
    assert.equal(statuses[0], 401);
    assert.equal(statuses.at(-1), 429);
  });

  test('an ended session is not valid any more', async () => {
    const cookie = await logIn(url);
    assert.equal((await ask(`${url}/api/status`, 'GET', undefined, { cookie })).status, 200);
    assert.equal((await ask(`${url}/api/session`, 'DELETE', undefined, { cookie })).status, 200);
    const status = async () => (await ask(`${url}/api/status`, 'GET', undefined, { cookie })).status;
    await until('the session is not valid', async () => (await status()) === 401);
  });

  test('the command line shows the same, as text and as JSON', async () => {
    const run = async (...words: readonly string[]) => {
      const env = { ...process.env, POLYEDGE_CONSOLE: url, POLYEDGE_TOKEN: token };
      return (await promisify(execFile)(process.execPath, ['infra/local/polyedge.ts', ...words], { env })).stdout;
    };
    const tailing = run('tail', '--type', 'ogit/Note', '--count', '1');
    let isHeard = false;
    void tailing.then(() => (isHeard = true));
    const [status, groups, accounts, element, bench, shown] = await Promise.all([
      run('status'),
      run('groups', '--json'),
      run('accounts'),
      write('from the command line').then((id) => run('get', id)),
      run('bench', '--seconds', '0.2', '--writers', '2', '--json'),
      run('token'),
    ]);
    assert.match(status, /^hiro-edge +\w{6} +ready/m);
    assert.ok(Array.isArray(JSON.parse(groups).groups));
    assert.match(accounts, /^admin +active +hiro:admin/m);
    assert.match(element, /"ogit\/name": "from the command line"/);
    const { writes, missing } = JSON.parse(bench) as { readonly writes: number; readonly missing: number };
    assert.ok(writes > 0 && missing === 0, bench);
    // It hears of what is written after it has joined.
    while (!isHeard) await write('for the tail');
    assert.match(await tailing, /hiro {7}create/);
    assert.equal(shown.trim(), token);
  });

  test('a page can be used for login by keyboard alone, and reports a wrong password', async () => {
    await page.goto(url);
    await page.getByRole('heading', { name: 'Log in to the console' }).waitFor();
    await page.keyboard.type(ADMIN.username);
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('The user name or the password is wrong.').waitFor();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(ADMIN.password);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Now' }).waitFor();
    // Past the link that skips the navigation, along the views.
    for (let at = 0; at < 3; at += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Live tail' }).waitFor();
    await page.goBack();
  });

  test('Now shows every process', async () => {
    for (const name of ['graph-store', 'hiro-edge', 'saga-edge', 'saga-runner', 'space-edge', 'gooduncle-edge', 'console']) {
      await page.getByRole('rowheader', { name }).waitFor();
    }
    await page.getByText('publishes').waitFor();
    assert.equal(await page.locator('canvas').count(), 4);
  });

  test('the tail shows what HIRO, Saga, Good Uncle and SPACE write, and content as text', async () => {
    await page.goto(`${url}/tail`);
    await page.getByText('Waiting for changes').waitFor();
    await write(HARMLESS);
    await seen(HARMLESS);
    const { body } = await ask(`${system.edges.saga}/users/login`, 'POST', ADMIN);
    const { _id: user, accessToken } = body as { readonly _id: string; readonly accessToken: string };
    const bearer = { authorization: `Bearer ${accessToken}` };
    const saga = await ask(`${system.edges.saga}/users/${user}/properties/score/incr`, 'POST', { value: 7 }, bearer);
    assert.ok(saga.status < 300, JSON.stringify(saga.body));
    await page.getByRole('cell', { name: 'saga', exact: true }).first().waitFor();
    using client = await Client.open(system.edges.gooduncle);
    await client.one({ type: 'upgrade', user: ADMIN.username, password: hashed(ADMIN.password) });
    const { response } = await client.one({ type: 'create', topic: 'products', params: { name: 'bread', price: 2 } });
    assert.equal(response.code, 'ok', JSON.stringify(response));
    await page.getByRole('cell', { name: 'gooduncle', exact: true }).first().waitFor();
    const { organizationKey } = await asAdmin(system.edges.space);
    const space = await new Rest(system.edges.space, organizationKey).upload('/services', pricing('Shown', '2024'));
    assert.equal(space.status, 201, JSON.stringify(space.body));
    await page.getByRole('cell', { name: 'space', exact: true }).first().waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    assert.doesNotMatch(await page.title(), /^1/);
  });

  test('what is being typed into a filter stays while changes arrive', async () => {
    await page.goto(`${url}/tail`);
    await page.getByText('Waiting for changes').waitFor();
    const filter = page.getByLabel('Type');
    await filter.pressSequentially('ogit/No');
    await write('while somebody types');
    await seen('while somebody types');
    assert.equal(await filter.inputValue(), 'ogit/No');
  });

  test('an element is found, opened, changed under its version, and its history shows the change', async () => {
    const id = await write('the one to edit');
    await page.goto(`${url}/graph?text=${encodeURIComponent('one to edit')}`);
    await page.getByRole('link', { name: 'the one to edit' }).click();
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Attributes').fill('{ "ogit/name": "the one to edit", "/size": 9007199254740993 }');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('9007199254740993').first().waitFor();
    const cookie = await logIn(url);
    const stale = await ask(`${url}/api/element?id=${id}`, 'PUT', { version: 1, attributes: {} }, { cookie });
    assert.equal(stale.status, 409);
  });

  test('a connection is seen and closed', async () => {
    const socket = new WebSocket(`${system.edges.hiro.replace('http', 'ws')}/api/events-ws/6.2/`, ['events-1.0.0', `token-${token}`]);
    const closed = new Promise<CloseEvent>((resolve) => {
      socket.onclose = resolve;
    });
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    await page.goto(`${url}/connections`);
    await page
      .getByRole('row', { name: /events-ws/ })
      .getByRole('button', { name: 'Close' })
      .click();
    await page.getByRole('button', { name: 'Close connection' }).click();
    assert.equal((await closed).code, 1008);
    await page.getByRole('row', { name: /events-ws/ }).waitFor({ state: 'detached' });
  });

  accountPages(stage);
  groupPages(stage);
  protocolPages(stage);
  lateAnswers(stage);
  overtakenAnswers(stage);
  tabs(stage);

  /** One of everything that has actions, with names as long as they get. */
  async function crowd(): Promise<AsyncDisposable> {
    const cookie = await logIn(url);
    const roles = { hiro: ['reader', 'editor'], space: ['USER'], saga: ['Editor'] };
    const account = { username: 'somebody-with-a-name-that-nobody-would-have-chosen', password: 'a long password', roles };
    assert.equal((await ask(`${url}/api/accounts`, 'POST', account, { cookie })).status, 200);
    assert.equal((await ask(`${url}/api/session`, 'POST', { ...account, password: 'wrong' })).status, 401);
    const { organizationKey } = await asAdmin(system.edges.space);
    const rest = new Rest(system.edges.space, organizationKey);
    for (const version of ['1', '2024.11.30', '2025.1.1-preview-of-the-next-one'])
      assert.equal(
        (await rest.upload(version === '1' ? '/services' : '/services/Crowded/pricings', metered('Crowded', version))).status,
        201,
      );
    assert.equal((await rest.put('/services/Crowded/pricings/2024.11.30', { subscriptionPlan: 'BASIC' })).status, 200);
    const contract = { ...subscription('somebody-with-an-id', 'Crowded', 'PRO'), subscriptionAddOns: { Crowded: { moreMinutes: 2 } } };
    const made = await rest.post('/contracts', contract);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const socket = new WebSocket(`${system.edges.hiro.replace('http', 'ws')}/api/events-ws/6.2/`, ['events-1.0.0', `token-${token}`]);
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    return { [Symbol.asyncDispose]: async () => socket.close() };
  }

  test('no page is wider than the window or cuts an action off at any width, and axe finds nothing serious on it, in the light and in the dark', async () => {
    await using _everything = await crowd();
    const found: string[] = [];
    const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
    // Through the protocol of the debugger: the page's own policy lets no script of others in.
    const violations = async () =>
      (await page.evaluate(
        `${axe}; axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
      )) as string[];
    for (const [at, path] of PAGES.entries()) {
      await page.setViewportSize({ width: WIDTHS[0], height: 760 });
      await page.goto(`${url}/${path}`);
      await page.locator('main h1').first().waitFor();
      await loaded(page);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 760 });
        found.push(...(await layoutProblems(page)).map((problem) => `${path} at ${width}: ${problem}`));
        if (PICTURED.includes(width)) await picture(page, `${path === '' ? 'now' : path.replaceAll('/', '-')}-${width}`);
      }
      await page.emulateMedia({ colorScheme: at % 2 === 0 ? 'dark' : 'light' });
      found.push(...(await violations()).map((problem) => `${path}: ${problem}`));
    }
    await page.emulateMedia({ colorScheme: null });
    assert.deepEqual(found, []);
  });

  keyboardPages(PAGES, stage);

  test('the documentation is there for everybody, and its search finds a section', async () => {
    const stranger = await system.browser.newPage();
    stranger.setDefaultTimeout(PATIENCE_MS);
    await stranger.goto(`${url}/docs`);
    await stranger.getByRole('searchbox', { name: 'Search' }).fill('least privilege');
    await stranger.getByRole('link', { name: 'Architecture: Least privilege' }).click();
    await stranger.getByRole('heading', { name: 'Least privilege' }).waitFor();
    assert.match(stranger.url(), /\/docs\/architecture#least-privilege$/);
    await stranger.close();
    assert.equal((await ask(`${url}/docs/nothing`)).status, 404);
    assert.equal((await ask(`${url}/docs/..%2f..%2fpackage`)).status, 404);
  });

  test('a pane connects to an edge directly, and no page violates its policy', async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(`${url}/try`);
    await page.getByText('HIRO graph', { exact: true }).click();
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('"ogit/_type":"ogit/Note"').first().waitFor();
    for (const [name, answer] of [
      ['Saga', /^430\[/],
      ['Good Uncle', /"code":"ok"/],
    ] as const) {
      await page.getByText(name, { exact: true }).first().click();
      await page.getByRole('button', { name: 'Connect', exact: true }).click();
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText(answer).first().waitFor();
    }
    await page.getByRole('radio', { name: 'SPACE' }).check({ force: true });
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText(/^40\/pricings,\{/).waitFor();
    assert.doesNotMatch((await page.locator('main').textContent()) ?? '', /eyJ/);
    assert.deepEqual(problems, []);
  });

  test('no secret is in an address, in what the page keeps, in what it loads or in a log', async () => {
    const kept = await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie, document.documentElement.outerHTML])');
    const { body: html } = await ask(url);
    const assets = [...String(html).matchAll(/\/assets\/[\w.]+/g)].map(([path]) => path);
    assert.equal(assets.length, 2);
    const loaded = await Promise.all(assets.map(async (path) => String((await ask(`${url}${path}`)).body)));
    for (const text of [String(kept), String(html), ...loaded, ...addresses, system.logs()]) {
      assert.equal(text.includes(ADMIN.password), false);
      // How every token of ours begins.
      assert.doesNotMatch(text, /eyJhbGciOi/);
    }
    assert.ok(addresses.length > 50);
  });

  manyAccounts(stage);

  test('a viewer without the right role gets the reason of the refusal', async () => {
    const viewer = await system.browser.newPage();
    viewer.setDefaultTimeout(PATIENCE_MS);
    await viewer.goto(url);
    await viewer.getByLabel('User name').fill('viewer');
    await viewer.getByLabel('Password').fill('viewer-password');
    await viewer.getByRole('button', { name: 'Log in' }).click();
    await viewer.getByText('This account may not use the console: it is for administrators.').waitFor();
    await viewer.close();
  });

  test('a page whose session has ended asks for a login, also while it only listens', async () => {
    await page.goto(`${url}/tail`);
    await page.getByText('Waiting for changes').waitFor();
    const cookies = await context.cookies(`${url}/api/session`);
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    assert.equal((await ask(`${url}/api/session`, 'DELETE', undefined, { cookie })).status, 200);
    await page.getByText('Your session has ended.').waitFor();
    await page.getByLabel('User name').fill(ADMIN.username);
    await page.getByLabel('Password').fill(ADMIN.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('Waiting for changes').waitFor();
    await context.clearCookies();
    await page.getByRole('link', { name: 'Accounts' }).click();
    await page.getByText('Your session has ended.').waitFor();
  });
});

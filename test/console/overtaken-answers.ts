/** An answer that comes when the user has chosen something else, or is somebody else, by then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import type { Page, Request } from 'playwright-core';
import { metered } from '../../services/space-edge/test/metered.ts';
import { asAdmin, newOrganization, Rest } from '../../services/space-edge/test/system.ts';
import { holdBack } from './late-answers.ts';
import { type Stage, writeNote } from './stage.ts';
import { ADMIN, ask, logIn } from './system.ts';

/** A page of its own, whose routes end with it. */
async function another({ page, system }: Stage, path: string): Promise<Page> {
  const opened = await page.context().newPage();
  await opened.goto(`${system.url}${path}`);
  return opened;
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
export function overtakenAnswers(stage: () => Stage): void {
  test('an element that is saved cannot be changed meanwhile, and what was edited before it is drawn again undoes nothing', async () => {
    const id = await writeNote(stage(), 'saved once');
    const page = await another(stage(), `/graph?id=${id}`);
    const saving = await holdBack(page, '**/api/element?*', 'PUT');
    await button(page, 'Edit').click();
    const attributes = page.getByLabel('Attributes');
    await attributes.fill('{ "ogit/name": "saved once", "/kept": "by the first" }');
    await button(page, 'Save').click();
    await page.locator('textarea:read-only').waitFor();
    assert.deepEqual([await button(page, 'Save').isDisabled(), await button(page, 'Cancel').isDisabled()], [true, true]);
    const reading = await holdBack(page, '**/api/element?*', 'GET');
    saving();
    await button(page, 'Edit').click();
    reading();
    await page.getByText('version 2', { exact: true }).waitFor();
    await attributes.fill('{ "ogit/name": "saved twice" }');
    await button(page, 'Save').click();
    await page.getByRole('alert').waitFor();
    await button(page, 'Cancel').click();
    await page.locator('pre').filter({ hasText: 'by the first' }).waitFor();
    await page.close();
  });

  test('what is shown belongs to what was chosen last, while its answer is waited for', async () => {
    const [one, other] = [await writeNote(stage(), 'chosen first'), await writeNote(stage(), 'chosen then')];
    const page = await another(stage(), '/tail');
    await page.getByText('Waiting for changes').waitFor();
    await writeNote(stage(), 'opened first');
    await writeNote(stage(), 'opened then');
    const open = async (name: string): Promise<string> => {
      const row = page.getByRole('row', { name: new RegExp(name) });
      await row.getByRole('button').click();
      return (await row.getByRole('button').textContent()) ?? '';
    };
    await open('opened first');
    await button(page, 'Before and after').waitFor();
    const change = await holdBack(page, '**/api/changes/*', 'GET');
    const number = await open('opened then');
    await page.getByRole('heading', { name: `Change ${number}` }).waitFor();
    await page.getByText('Loading …').waitFor();
    assert.equal(await button(page, 'Before and after').count(), 0);
    change();
    await button(page, 'Before and after').waitFor();

    await page.goto(`${stage().system.url}/graph?text=${one}`);
    await page.getByRole('link', { name: 'chosen first' }).waitFor();
    const search = await holdBack(page, '**/api/elements?*', 'GET');
    await page.getByLabel('Name or id').fill(other);
    await button(page, 'Search').click();
    await page.getByText('Searching …').waitFor();
    assert.equal(await page.getByRole('link', { name: 'chosen first' }).count(), 0);
    search();
    await page.getByRole('link', { name: 'chosen then' }).waitFor();

    await page.goto(`${stage().system.url}/accounts`);
    const own = page.getByRole('row', { name: /^admin/ });
    await own.waitFor();
    const accounts = await holdBack(page, '**/api/accounts?*', 'GET');
    await page.getByLabel('User name contains').fill('nobody-like-this');
    await page.getByLabel('User name contains').press('Enter');
    await page.getByText('Loading …').waitFor();
    assert.equal(await own.count(), 0);
    accounts();
    await page.getByText('No account fits.').waitFor();
    await page.close();
  });

  test('an account that is saved leaves the form open that was opened since, and a refusal of it is seen', async () => {
    const { system } = stage();
    const cookie = await logIn(system.url);
    const make = async (username: string) => {
      const made = await ask(`${system.url}/api/accounts`, 'POST', { username, roles: { space: ['USER'] } }, { cookie });
      assert.equal(made.status, 200, JSON.stringify(made.body));
    };
    for (const username of ['ann-is-late', 'bob-is-next']) await make(username);
    const page = await another(stage(), '/accounts');
    const row = (name: string) => page.getByRole('row', { name: new RegExp(`^${name}`) });
    const edit = async (name: string) => {
      await button(page, 'Edit').and(row(name).getByRole('button')).click();
      await page.getByRole('heading', { name }).waitFor();
    };
    const password = page.getByLabel('New password');
    for (const refused of [false, true]) {
      const saving = await holdBack(page, '**/api/accounts/*', 'PUT');
      await edit('ann-is-late');
      await page.getByLabel('Data scopes').fill(refused ? 'second' : 'first');
      await button(page, 'Save').click();
      assert.equal(await button(page, 'Save').isDisabled(), true);
      await edit('bob-is-next');
      await password.fill('typed meanwhile');
      if (refused) {
        const { body } = await ask(`${system.url}/api/accounts?text=ann-is-late`, 'GET', undefined, { cookie });
        const [{ id }] = (body as { readonly accounts: readonly [{ readonly id: string }] }).accounts;
        const changed = await ask(`${system.url}/api/accounts/${id}`, 'PUT', { scopes: ['other'] }, { cookie });
        assert.equal(changed.status, 200, JSON.stringify(changed.body));
      }
      saving();
      if (refused) await page.getByRole('alert').filter({ hasText: 'ann-is-late' }).waitFor();
      else await row('ann-is-late').getByText('first').waitFor();
      assert.equal(await password.inputValue(), 'typed meanwhile');
      await button(page, 'Cancel').click();
      await page.unroute('**/api/accounts/*');
    }

    const making = await holdBack(page, '**/api/accounts/*/keys', 'POST');
    await row('ann-is-late').getByRole('button', { name: 'New key' }).dblclick();
    making();
    await page.getByText('The new API key of ann-is-late').waitFor();
    await row('bob-is-next').getByRole('button', { name: 'New key' }).click();
    await page.getByText('The new API key of bob-is-next').waitFor();
    assert.equal(await page.getByText('The new API key of ann-is-late').count(), 1);
    await page.close();
  });

  test('SPACE: a pricing goes to the service whose form is open, also if another organization has one of its name', async () => {
    const { system } = stage();
    const { organizationKey } = await asAdmin(system.edges.space);
    const { rest: other, id } = await newOrganization(system.edges.space);
    for (const rest of [new Rest(system.edges.space, organizationKey), other])
      assert.equal((await rest.upload('/services', metered('Twin', '1'))).status, 201);
    const page = await another(stage(), '/space');
    const rows = page.getByRole('row', { name: /^Twin/ });
    const [those, own] = [rows.filter({ hasText: id }), rows.filter({ hasNotText: id })];
    await own.getByRole('button', { name: 'New pricing' }).click();
    await those.getByRole('button', { name: 'New pricing' }).click();
    await page.getByLabel('Pricing (Pricing2Yaml)').fill(metered('Twin', '2'));
    await button(page, 'Upload').click();
    await page.getByRole('status').filter({ hasText: 'The pricing is uploaded.' }).waitFor();
    await button(page, 'Archive Twin 2').waitFor();
    assert.deepEqual([await own.getByText('2', { exact: true }).count(), await those.getByText('2', { exact: true }).count()], [0, 1]);
    await own.getByRole('button', { name: 'Archive Twin 1' }).click();
    await button(page, 'Archive').click();
    const refusal = page.getByRole('alert').filter({ hasText: 'last active pricing' });
    await refusal.waitFor();
    await those.getByRole('button', { name: 'Archive Twin 1' }).click();
    await refusal.waitFor({ state: 'detached' });
    await page.close();
  });

  test('a script that is started keeps what is typed, and logs that were missed come in their order', async () => {
    const { system } = stage();
    const page = await stage().page.context().newPage();
    const sockets: { close(): Promise<void> }[] = [];
    await page.routeWebSocket(/socket\.io/, (socket) => {
      socket.connectToServer();
      sockets.push(socket);
    });
    await page.goto(`${system.url}/runnables`);
    await button(page, 'New script').click();
    const code = page.getByLabel('Code');
    await code.fill("console.log('at', Date.now());");
    await button(page, 'Save').click();
    await page.getByText('It is saved.').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    const logs = page.getByRole('list', { name: /^Logs/ }).locator('code');
    await button(page, 'Run now').click();
    await logs.nth(0).waitFor();

    const { body } = await ask(`${system.edges.saga}/users/login`, 'POST', ADMIN);
    const authorization = `Bearer ${(body as { readonly accessToken: string }).accessToken}`;
    const at = `${system.edges.saga}/scripts/${new URL(page.url()).searchParams.get('id')}`;
    const renamed = await ask(at, 'PUT', { name: 'renamed by somebody' }, { authorization });
    assert.equal(renamed.status, 200, JSON.stringify(renamed.body));
    await code.fill('this is being typed');
    await button(page, 'Run now').click();
    await logs.nth(1).waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await code.inputValue(), 'this is being typed');

    await sockets[0]?.close();
    await page.getByText('joining', { exact: true }).waitFor();
    assert.equal((await ask(`${at}/run`, 'POST', {}, { authorization })).status < 300, true);
    await logs.nth(2).waitFor();
    const shown = await logs.allTextContents();
    assert.deepEqual(shown, shown.toSorted().reverse());
    await button(page, 'Delete').click();
    await button(page, 'Delete script').click();
    await button(page, 'New script').waitFor();
    await page.close();
  });

  test('a renewal of the session without an answer is repeated, and whoever logs in next has a token of their own', async () => {
    const { page: first, system } = stage();
    const cookie = await logIn(system.url);
    const second = { username: 'the-next-administrator', password: 'a long password' };
    const roles = { console: ['admin'], space: ['USER'] };
    assert.equal((await ask(`${system.url}/api/accounts`, 'POST', { ...second, roles }, { cookie })).status, 200);
    const browser = first.context().browser();
    assert.ok(browser !== null);
    await using context = await browser.newContext();
    const page = await context.newPage();
    await page.clock.install();
    const logInAs = async ({ username, password }: typeof second): Promise<void> => {
      await page.getByLabel('User name').fill(username);
      await page.getByLabel('Password').fill(password);
      await button(page, 'Log in').click();
      await button(page, 'Log out').waitFor();
    };
    const authorizationOf = async (): Promise<string> => {
      const asked = page.waitForRequest((request: Request) => request.url().includes('/organizations') && request.method() === 'GET');
      await page.getByRole('link', { name: 'SPACE' }).click();
      await button(page, 'New service').click();
      return (await (await asked).headerValue('authorization')) ?? '';
    };
    await page.goto(`${system.url}/space`);
    await logInAs(ADMIN);
    const earlier = await authorizationOf();
    const typed = page.getByLabel('Pricing (Pricing2Yaml)');
    await typed.fill('not saved yet');
    await page.route('**/api/session', (route) => route.abort());
    const failing = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/api/session'));
    await page.clock.fastForward(31 * 60_000);
    await failing;
    await page.unroute('**/api/session');
    let isRenewed = false;
    page.on('response', (response) => {
      if (response.request().method() === 'PUT' && response.ok()) isRenewed = true;
    });
    await until('the session is renewed', async () => {
      await page.clock.fastForward(11_000);
      return isRenewed;
    });
    assert.equal(await typed.inputValue(), 'not saved yet');

    await button(page, 'Log out').click();
    await logInAs(second);
    const later = await authorizationOf();
    const accountOf = (bearer: string): unknown =>
      JSON.parse(atob((bearer.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))).sub;
    assert.notEqual(accountOf(later), accountOf(earlier));
  });
}

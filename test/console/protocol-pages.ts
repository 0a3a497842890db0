/** The pages of one protocol, and what a change looks like in each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../services/hiro-edge/test/client.ts';
import { metered } from '../../services/space-edge/test/metered.ts';
import { asAdmin, pricing, Rest } from '../../services/space-edge/test/system.ts';
import { eventsPath, picture, type Stage, writeNote } from './stage.ts';
import { ADMIN, ask } from './system.ts';

export function protocolPages(stage: () => Stage): void {
  test('an opened change shows before and after, and the frames that clients of each protocol got', async () => {
    const { page, system, token } = stage();
    const { hiro, saga, space } = system.edges;
    const events = new Client(Number(new URL(hiro).port), eventsPath(), ['events-1.0.0', `token-${token}`]);
    await events.open();
    const content = '(|(element.ogit/_type = saga/Property)(element.ogit/_type = space/Service))';
    events.send({ type: 'register', args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': content } });
    const { body } = await ask(`${saga}/users/login`, 'POST', ADMIN);
    const { _id: user, accessToken } = body as { readonly _id: string; readonly accessToken: string };
    await page.goto(`${system.url}/tail`);
    await page.getByText('Waiting for changes').waitFor();
    // A register is not acknowledged.
    await events.until(() => {
      void ask(`${saga}/users/${user}/properties/seen/incr`, 'POST', { value: 1 }, { authorization: `Bearer ${accessToken}` });
      return events.texts.length > 0;
    });
    const text = events.texts[0] ?? '';
    const { nanotime } = JSON.parse(text) as { readonly nanotime: number };
    await page.getByRole('button', { name: `Open change ${nanotime}` }).click();
    const frames = (name: string) => page.getByLabel(`Frames of ${name}`).locator('pre');
    await frames('HIRO').first().waitFor();
    assert.equal(await frames('HIRO').first().textContent(), text, 'what is shown is what the client got');
    assert.match((await frames('HIRO').last().textContent()) ?? '', /"[+=]\/?value"/);
    await picture(page, 'change');
    const packet = (await frames('Saga').first().textContent()) ?? '';
    assert.match(packet, /^42\["\/properties",\{"_id":"[^"]+","type":"user"/);
    await page.getByLabel('Frames of Good Uncle').getByText('Nothing: the change is not of this protocol.').waitFor();
    await page.getByRole('button', { name: 'Before and after' }).click();
    await page.getByRole('heading', { name: 'After' }).waitFor();
    const { organizationKey } = await asAdmin(space);
    const made = await new Rest(space, organizationKey).upload('/services', pricing('Framed', '2024'));
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const event = await events.until(() => events.frames.find((frame) => JSON.stringify(frame).includes('Framed')));
    await page.getByRole('button', { name: `Open change ${(event as { readonly nanotime: number }).nanotime}` }).click();
    await page
      .getByText('42/pricings,["message",{"code":"PRICING_CREATED","details":{"serviceName":"Framed","pricingVersion":"2024"}}]')
      .waitFor();
    events.ws.terminate();
  });

  test('a script is made, edited and run by hand, and its call and its logs appear as they come', async () => {
    const { page, system } = stage();
    await page.goto(`${system.url}/runnables`);
    await page.getByRole('button', { name: 'New script' }).click();
    await page.getByLabel('Code').fill('console.log("ran by hand <img>");');
    await page.getByLabel('Name').fill('counts');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('It is saved.').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByRole('list', { name: /^Logs/ }).getByText('ran by hand <img>').waitFor();
    await page.getByRole('cell', { name: 'ok' }).waitFor();
    await picture(page, 'runnable');
    await page.getByRole('button', { name: 'Restore version 1' }).click();
    await page.getByText('It is restored.').waitFor();
    await page.getByText('version 3', { exact: true }).waitFor();
    assert.match(await page.getByLabel('Code').inputValue(), /'changed'/);
    await page.getByLabel('Code').fill('this is no JavaScript');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('alert').filter({ hasText: 'body' }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete script' }).click();
    await page.getByText('There is no script.').waitFor();
  });

  test('SPACE: pricings are uploaded, archived and activated; a contract is made, changed, its usage reset, and deleted', async () => {
    const { page, system } = stage();
    const { organizationKey } = await asAdmin(system.edges.space);
    const rest = new Rest(system.edges.space, organizationKey);
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    const said = (text: string) => page.getByRole('status').filter({ hasText: text }).waitFor();
    const service = page.getByRole('row', { name: /^Sold/ });
    const contract = page.getByRole('row', { name: /^ann-of-space/ });
    await page.goto(`${system.url}/space`);

    await button('New service').click();
    // Until then the browser refuses to submit the form.
    await page.locator('input[list=organizations]:valid').waitFor();
    await page.getByLabel('Pricing (Pricing2Yaml)').fill('saasName: Sold');
    await button('Upload').click();
    await page.getByRole('alert').filter({ hasText: 'Pricing parsing error' }).waitFor();
    await page.getByLabel('Pricing (Pricing2Yaml)').fill(metered('Sold', '1'));
    await button('Upload').click();
    await said('The pricing is uploaded.');
    await service.getByRole('button', { name: 'New pricing' }).click();
    const newer = { name: 'newer.yml', mimeType: 'application/yaml', buffer: Buffer.from(metered('Sold', '2', '2025-01-01')) };
    await page.getByLabel('File').setInputFiles(newer);
    await page.locator('textarea:valid').waitFor();
    await button('Upload').click();
    await said('The pricing is uploaded.');

    await button('New contract').click();
    await page.getByLabel('Id of the user').fill('ann-of-space');
    await page.getByLabel('User name').fill('ann');
    await page.getByRole('combobox', { name: 'Add a service' }).selectOption('Sold');
    await page.getByRole('combobox', { name: 'Version' }).selectOption('1');
    await page.getByRole('combobox', { name: 'Plan' }).selectOption('BASIC');
    await button('Create').click();
    await said('The contract is made.');
    await contract.getByText('BASIC').waitFor();
    const use = { 'sold-minutes': 60 };
    assert.equal((await rest.post('/features/ann-of-space/sold-calls', use)).body.eval, true);

    await contract.getByRole('button', { name: 'Change' }).click();
    await page.getByRole('combobox', { name: 'Plan' }).selectOption('PRO');
    await page.getByLabel('moreMinutes (add-on)').fill('2');
    await button('Change subscription').click();
    await said('The subscription is changed');
    await contract.getByText('moreMinutes × 2').waitFor();
    await contract.getByText('sold/minutes: 60').waitFor();
    await picture(page, 'space');
    await contract.getByRole('button', { name: 'Reset usage' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Reset usage' }).click();
    await contract.getByText('sold/minutes: 0').waitFor();

    await button('Archive Sold 1').click();
    await page.getByRole('combobox', { name: 'Their plan then' }).selectOption('BASIC');
    await button('Archive').click();
    await said('Sold 1 is archived.');
    await contract.getByText('BASIC').waitFor();
    assert.deepEqual((await rest.get('/contracts/ann-of-space')).body.contractedServices, { sold: '2' });
    await button('Activate Sold 1').click();
    await said('Sold 1 is active.');
    await service.getByRole('link', { name: '2' }).waitFor();

    await contract.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete contract' }).click();
    await contract.waitFor({ state: 'detached' });
    assert.equal((await rest.get('/contracts/ann-of-space')).status, 404);
    await service.getByRole('button', { name: 'Disable' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disable service' }).click();
    await said('Sold is disabled.');
    await service.getByText('disabled').waitFor();
  });

  test('what is chosen in a form stays when an answer comes at the same moment, and an action that ends leaves the form open', async () => {
    const { page: other, system } = stage();
    const { organizationKey } = await asAdmin(system.edges.space);
    const rest = new Rest(system.edges.space, organizationKey);
    for (const version of ['1', '2']) {
      const made = await rest.upload(version === '1' ? '/services' : '/services/Chosen/pricings', metered('Chosen', version));
      assert.equal(made.status, 201, JSON.stringify(made.body));
    }
    const page = await other.context().newPage();
    await page.clock.install();
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    await page.route('**/pricings/2', async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${system.url}/space`);
    const choice = (name: string) => page.getByRole('combobox', { name, exact: true });
    await page.getByRole('button', { name: 'New contract' }).click();
    await choice('Add a service').selectOption('Chosen');
    await choice('Version').waitFor();
    // What follows an answer that is drawn waits for the next frame: there is none until the clock goes on.
    await page.clock.pauseAt(Date.now() + 60_000);
    answer();
    await choice('Plan').getByRole('option', { name: 'PRO' }).waitFor({ state: 'attached' });
    await choice('Version').selectOption('1');
    await page.clock.resume();
    await page.waitForLoadState('networkidle');
    assert.equal(await choice('Version').inputValue(), '1');

    const archived = await rest.put('/services/Chosen/pricings/1?availability=archived', { subscriptionPlan: 'BASIC' });
    assert.equal(archived.status, 200, JSON.stringify(archived.body));
    const { promise: late, resolve: end } = Promise.withResolvers<void>();
    await page.route('**/pricings/1?availability=active', async (route) => {
      await late;
      await route.continue();
    });
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('button', { name: 'Activate Chosen 1' }).click();
    await page.getByRole('button', { name: 'New service' }).click();
    end();
    await page.getByRole('status').filter({ hasText: 'Chosen 1 is active.' }).waitFor();
    await page.getByRole('heading', { name: 'New service' }).waitFor();
    await page.close();
  });

  test('a page does not ask again while it waits for an answer, and shows it however late it comes', async () => {
    const { page: other, system } = stage();
    const page = await other.context().newPage();
    await page.clock.install();
    const { promise: late, resolve: answer } = Promise.withResolvers<void>();
    let asked = 0;
    await page.route('**/api/space?*', async (route) => {
      asked += 1;
      await late;
      await route.continue();
    });
    const begun = page.waitForRequest('**/api/space?*');
    await page.goto(`${system.url}/space`);
    await begun;
    await page.clock.runFor(20_000);
    assert.equal(asked, 1);
    answer();
    await page.getByRole('row', { name: /^Sold/ }).waitFor();
    await page.close();
  });

  test('a reader that does not keep up is seen with what it is owed, and closed', async () => {
    const { page, system, token } = stage();
    const slow = new Client(Number(new URL(system.edges.hiro).port), eventsPath(), ['events-1.0.0', `token-${token}`]);
    await slow.open();
    slow.send({
      type: 'register',
      args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = ogit/Note)' },
    });
    await slow.until(() => {
      void writeNote(stage(), 'is it live?');
      return slow.texts.length > 0;
    });
    slow.ws.pause();
    await page.goto(`${system.url}/connections`);
    await page.getByLabel('Slow readers only').check();
    const row = page.getByRole('row', { name: /slow/ });
    // What the kernel holds for a socket depends on the machine.
    for (let written = 0; written < 40 && (await row.count()) === 0; written += 1)
      await writeNote(stage(), 'large', { text: 'x'.repeat(500_000) });
    await row.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Close connection' }).click();
    await row.waitFor({ state: 'detached' });
    slow.ws.resume();
    await slow.end();
  });
}

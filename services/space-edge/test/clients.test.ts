import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { findPython } from '@polyedge/testkit/servers/find-program';
import { until } from '@polyedge/testkit/until';
import { connect } from 'space-node-client';
import { openPage } from './browser.ts';
import { metered, subscription } from './metered.ts';
import { servePage } from './react-page.ts';
import { url } from './rest-scene.ts';
import { listen } from './sockets.ts';
import { newOrganization, pricing, pricingFile } from './system.ts';

test('space:45 space:13 space-node-client 0.3.0 connects, is healthy and receives all four codes', async () => {
  const { rest, key } = await newOrganization(url);
  const client = connect({ url, apiKey: key });
  const heard: unknown[] = [];
  let synchronized = 0;
  client.on('synchronized', () => {
    synchronized += 1;
  });
  for (const name of ['pricing_created', 'pricing_archived', 'pricing_actived', 'service_disabled']) {
    client.on(name, (details: unknown) => heard.push([name, details]));
  }
  try {
    await until('synchronized', () => synchronized > 0);
    assert.equal(await client.isConnectedToSpace(), 'Service is up and running!');
    await rest.upload('/services', pricing('Noded', '1'));
    await rest.upload('/services/Noded/pricings', pricing('Noded', '2'));
    await rest.put('/services/Noded/pricings/1', { subscriptionPlan: 'FREE' });
    await rest.put('/services/Noded/pricings/1?availability=active');
    await rest.delete('/services/Noded');
    await until('five events', () => heard.length >= 5);
    const details = (pricingVersion: string) => ({ serviceName: 'Noded', pricingVersion });
    assert.deepEqual(heard, [
      ['pricing_created', details('1')],
      ['pricing_created', details('2')],
      ['pricing_archived', details('1')],
      ['pricing_actived', details('1')],
      ['service_disabled', { serviceName: 'Noded' }],
    ]);
  } finally {
    client.disconnect();
  }
});

/** The middle of a token, as the React client reads it. */
const payloadOf = (token: string): { readonly sub: string; readonly exp: number; readonly features: Record<string, { eval: boolean }> } =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));

test('space:45 space:27 space:30 space:32 space:33 space-node-client 0.3.0 drives the whole life of a subscription, unmodified', async () => {
  const { rest, key } = await newOrganization(url);
  assert.equal((await rest.upload('/services', metered('Zoom', '1'))).status, 201);
  const client = connect({ url, apiKey: key });
  const userId = 'ann';
  const feature = 'zoom-calls';
  try {
    const made = await client.contracts.addContract({
      userContact: { userId, username: 'Ann', email: 'ann@example.org' },
      billingPeriod: { autoRenew: true, renewalDays: 30 },
      contractedServices: { Zoom: '1' },
      subscriptionPlans: { Zoom: 'BASIC' },
      subscriptionAddOns: {},
    });
    assert.equal(made.userContact.userId, userId);
    assert.deepEqual(await client.contracts.getContract(userId), made);

    assert.deepEqual(await client.features.evaluate(userId, feature), {
      eval: true,
      used: { 'zoom-minutes': 0 },
      limit: { 'zoom-minutes': 100 },
      error: null,
    });
    const consumed = await client.features.evaluate(userId, feature, { 'zoom-minutes': 60 });
    assert.deepEqual([consumed.eval, consumed.used], [true, { 'zoom-minutes': 60 }]);
    await client.features.evaluate(userId, feature, { 'zoom-minutes': 40 });
    const spent = await client.features.evaluate(userId, feature);
    assert.deepEqual([spent.eval, spent.used], [false, { 'zoom-minutes': 100 }]);
    assert.equal(payloadOf(await client.features.generateUserPricingToken(userId)).features[feature]?.eval, false);

    // The latest evaluation that consumed is taken back, with its forty minutes.
    assert.equal(await client.features.revertEvaluation(userId, feature, true), true);
    assert.deepEqual((await client.features.evaluate(userId, feature)).used, { 'zoom-minutes': 60 });

    const novated = await client.contracts.updateContractSubscription(userId, {
      contractedServices: { zoom: '1' },
      subscriptionPlans: { zoom: 'PRO' },
      subscriptionAddOns: { zoom: { moreMinutes: 2 } },
    });
    assert.deepEqual(novated.subscriptionPlans, { zoom: 'PRO' });
    assert.equal(novated.history.length, 1);
    const after = await client.features.evaluate(userId, feature);
    assert.deepEqual([after.eval, after.used, after.limit], [true, { 'zoom-minutes': 60 }, { 'zoom-minutes': 1200 }]);
    const token = payloadOf(await client.features.generateUserPricingToken(userId));
    assert.equal(token.sub, userId);
    assert.equal(token.features[feature]?.eval, true);
    assert.ok(token.exp * 1000 > Date.now());
    assert.equal((await client.features.evaluate(userId, 'zoom-nothing')).error?.code, 'FLAG_NOT_FOUND');

    // The example of the page.
    assert.equal((await rest.upload('/services', pricingFile('zoom').replace('saasName: Zoom', 'saasName: Example'))).status, 201);
    assert.equal(
      (await rest.post('/contracts', { ...subscription('ada', 'Example'), contractedServices: { Example: '2024' } })).status,
      201,
    );
    const answers: unknown[] = [];
    for (let call = 1; call <= 4; call += 1)
      answers.push((await client.features.evaluate('ada', 'example-meetings', { 'example-maxMeetings': 1 })).eval);
    assert.deepEqual(answers, [true, true, true, false]);
  } finally {
    client.disconnect();
  }
});

test("space:45 the documentation's own snippet works as it stands", async () => {
  const { rest } = await newOrganization(url);
  await using client = await listen(url, { transports: ['websocket'] });
  await rest.upload('/services', pricing('Snippet', '2024'));
  await until('an event comes', () => client.events.length > 0);
  assert.deepEqual(client.events, [{ code: 'PRICING_CREATED', details: { serviceName: 'Snippet', pricingVersion: '2024' } }]);
});

/** As SPACE's Python SDK connects: with whatever transports the library begins with, which is polling. */
const PYTHON = `
import sys, json, socketio
client = socketio.Client()
@client.on('message', namespace='/pricings')
def heard(event):
    print(json.dumps(event), flush=True)
@client.on('connect', namespace='/pricings')
def connected():
    print('connected', flush=True)
client.connect(sys.argv[1], namespaces=['/pricings'], socketio_path='events', wait=False)
client.wait()
`;

test('space:45 space:11 python-socketio connects as the Python SDK does and receives events', async () => {
  const { rest } = await newOrganization(url);
  const python: ChildProcess = spawn(findPython(), ['-c', PYTHON, url.replace(/^http/, 'ws')], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  python.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  try {
    await until('it is connected', () => said.includes('connected\n'));
    assert.equal((await rest.upload('/services', pricing('Pythonic', '2024'))).status, 201);
    await until('the event comes', () => said.trim().split('\n').length === 2);
    assert.deepEqual(JSON.parse(said.trim().split('\n')[1] ?? ''), {
      code: 'PRICING_CREATED',
      details: { serviceName: 'Pythonic', pricingVersion: '2024' },
    });
  } finally {
    const ended = once(python, 'exit');
    if (python.kill('SIGKILL')) await ended;
  }
});

test('the tester page shows events as they come, in a real browser', async () => {
  const { rest } = await newOrganization(url);
  await using page = await openPage(`${url}/api/v1/events/client`);
  await until('it is connected', async () => (await page.evaluate(`document.getElementById('state')?.textContent`)) === 'connected');
  assert.equal((await rest.upload('/services', pricing('Browsed', '2024'))).status, 201);
  const text = `document.getElementById('events').textContent`;
  await until('the event comes', async () => String(await page.evaluate(text)).includes('Browsed'));
  assert.match(
    String(await page.evaluate(text)),
    /\{"code":"PRICING_CREATED","details":\{"serviceName":"Browsed","pricingVersion":"2024"\}\}$/,
  );
});

test('space:33 space:45 the React client shows and hides a feature as the token says', async () => {
  const { rest, key } = await newOrganization(url);
  assert.equal((await rest.upload('/services', pricingFile('gantry'))).status, 201);
  const subscription = (plan: string) => ({
    contractedServices: { gantry: '1.0' },
    subscriptionPlans: { gantry: plan },
    subscriptionAddOns: {},
  });
  // A name outside ASCII: the client reads tokens with atob.
  const userContact = { userId: 'zoë', username: 'Zoë' };
  assert.equal((await rest.post('/contracts', { userContact, ...subscription('CREW') })).status, 201);

  using served = await servePage({ url, apiKey: key });
  await using page = await openPage(served.url);
  const shown = async (): Promise<unknown> => page.evaluate(`document.getElementById('shown')?.textContent ?? document.title`);
  const load = (): Promise<unknown> => page.evaluate(`window.load('zoë')`);
  await until('the page is there', async () => (await shown()) === 'nobody is here');
  await load();
  await until('the feature is hidden', async () => (await shown()) === 'no calendar in your plan');
  assert.equal((await rest.put(`/contracts/${encodeURIComponent('zoë')}`, subscription('YARD'))).status, 200);
  await load();
  await until('the feature is shown', async () => (await shown()) === 'your calendar');
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from 'space-node-client';
import { openPage } from './browser.ts';
import { listen } from './sockets.ts';
import { newOrganization, pricing, type System, startSystem, until } from './system.ts';

let system: System;
let url: string;
before(async () => {
  system = await startSystem();
  url = system.space.url;
});
after(() => system[Symbol.asyncDispose]());

test('space:45 space:13 space-node-client 0.3.0 connects, is healthy and hears all four codes', async () => {
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

test('space:45 the documentation`s own snippet works as it stands', async () => {
  const { rest } = await newOrganization(url);
  await using client = await listen(url, { transports: ['websocket'] });
  await rest.upload('/services', pricing('Snippet', '2024'));
  await until('an event', () => client.events.length > 0);
  assert.deepEqual(client.events, [{ code: 'PRICING_CREATED', details: { serviceName: 'Snippet', pricingVersion: '2024' } }]);
});

test('the tester page shows events as they come, in a real browser', async () => {
  const { rest } = await newOrganization(url);
  await using page = await openPage(`${url}/api/v1/events/client`);
  await until('connected', async () => (await page.evaluate(`document.getElementById('state')?.textContent`)) === 'connected', 30_000);
  assert.equal((await rest.upload('/services', pricing('Browsed', '2024'))).status, 201);
  const text = `document.getElementById('events').textContent`;
  await until('the event', async () => String(await page.evaluate(text)).includes('Browsed'));
  assert.match(
    String(await page.evaluate(text)),
    /\{"code":"PRICING_CREATED","details":\{"serviceName":"Browsed","pricingVersion":"2024"\}\}$/,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'space-node-client';
import { metered, subscription } from './metered.ts';
import { newOrganization, pricingFile, type System, startSystem } from './system.ts';

/** The middle of a token, as the React client reads it. */
const payloadOf = (token: string): { readonly sub: string; readonly exp: number; readonly features: Record<string, { eval: boolean }> } =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));

test('space:45 space:27 space:30 space:32 space:33 space-node-client 0.3.0 drives the whole life of a subscription, unmodified', async () => {
  await using system: System = await startSystem();
  const { rest, key } = await newOrganization(system.space.url);
  assert.equal((await rest.upload('/services', metered('Zoom', '1'))).status, 201);
  const client = connect({ url: system.space.url, apiKey: key });
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

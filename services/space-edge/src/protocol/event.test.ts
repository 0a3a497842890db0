import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { JsonObject } from '@polyedge/query/json';
import { toEvent } from './event.ts';
import { pricingProtocol } from './protocol.ts';

function change(operation: string, attributes: JsonObject, over: { readonly type?: string; readonly protocol?: string } = {}) {
  const { type = 'space/Service', protocol = 'space' } = over;
  return { type, origin: { protocol, way: 'rest', operation }, state: { attributes } } as unknown as FullChange; // the rest of a change has no part in events
}

const { encode } = pricingProtocol({ tenant: 't', requireKey: false });
const frame = (operation: string): string => {
  const event = toEvent(change(operation, { concerns: '2024', name: 'WireMock', disabled: false }));
  assert.ok(event);
  const { event: name, args } = encode(event);
  return JSON.stringify([name, ...args]);
};

test('space:2 an event has two elements and its keys in the order of the documentation', () => {
  assert.equal(
    frame('PRICING_CREATED'),
    '["message",{"code":"PRICING_CREATED","details":{"serviceName":"WireMock","pricingVersion":"2024"}}]',
  );
  assert.equal(
    frame('PRICING_ACTIVED'),
    '["message",{"code":"PRICING_ACTIVED","details":{"serviceName":"WireMock","pricingVersion":"2024"}}]',
  );
});

test('space:8 SERVICE_DISABLED has no version, whatever moved silently', () => {
  assert.equal(frame('SERVICE_DISABLED'), '["message",{"code":"SERVICE_DISABLED","details":{"serviceName":"WireMock"}}]');
});

test('space:10 the event is the one the request named: other operations, elements and protocols have none', () => {
  const attributes = { name: 'Zoom', concerns: '1', activePricings: { 1: { id: 'p' } } };
  for (const operation of ['service-rename', 'pricing-delete', 'service-prune', 'toString', ''])
    assert.equal(toEvent(change(operation, attributes)), undefined);
  assert.equal(toEvent(change('PRICING_CREATED', attributes, { type: 'space/Pricing' })), undefined);
  assert.equal(toEvent(change('PRICING_CREATED', attributes, { protocol: 'hiro' })), undefined);
  assert.equal(toEvent(change('PRICING_CREATED', { name: 'Zoom' })), undefined);
});

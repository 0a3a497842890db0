import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';
import fc from 'fast-check';
import {
  activated,
  archived,
  disabled,
  findPricing,
  hasVersion,
  newService,
  shownService,
  toService,
  withoutPricing,
  withPricing,
} from './service.ts';
import { findVersion } from './versions.ts';

const element = (attributes: JsonObject): Element => ({ id: 's1', version: 3, attributes }) as unknown as Element; // nothing else of an element is read
const service = (attributes: JsonObject) => toService(element({ name: 'Zoom', organizationId: 'o', ...attributes }));

test('space:23 a version is found as it was written, else by the only one that differs in dots and underscores', () => {
  assert.equal(findVersion(['2024.1', '2025'], '2024.1'), '2024.1');
  assert.equal(findVersion(['2024.1', '2025'], '2024_1'), '2024.1');
  assert.equal(findVersion(['2024.1', '2024_1'], '2024_1'), '2024_1');
  assert.equal(findVersion(['1.2_3', '1_2.3'], '1.2.3'), undefined);
  assert.equal(findVersion(['2024'], '2025'), undefined);
});

test('a service is shown with `id` for files and `url` for remote pricings, without an archive until there is one', () => {
  const created = service(newService('Zoom', 'o', { version: '1', id: 'p1' }));
  assert.deepEqual(shownService(created), {
    name: 'Zoom',
    organizationId: 'o',
    disabled: false,
    activePricings: { 1: { id: 'p1', _id: 'p1' } },
    id: 's1',
  });
  const both = service(withPricing(created, { version: '2', id: 'p2', url: 'https://x.example/p' }));
  assert.deepEqual(shownService(both).activePricings, { 1: { id: 'p1', _id: 'p1' }, 2: { url: 'https://x.example/p', _id: 'p2' } });
});

test('what is no locator is not there, and names of Object are names like any other', () => {
  const odd = service({ activePricings: { a: 'x', b: { id: 5 }, constructor: { id: 'p' } }, archivedPricings: [1] });
  assert.deepEqual(Object.keys(odd.active), ['constructor']);
  assert.equal(hasVersion(odd, 'toString'), false);
  assert.equal(findPricing(odd.active, 'valueOf'), undefined);
});

test('versions only move: whatever is done, none is lost and none is in two places', () => {
  const version = fc.constantFrom('1', '2', '3.1', 'x');
  const step = fc.record({ what: fc.constantFrom('add', 'archive', 'activate', 'disable', 'delete'), version });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let state: JsonObject = newService('Zoom', 'o', { version: '0', id: 'p0' });
      const living = new Set(['0']);
      for (const { what, version } of steps) {
        const now = service(state);
        const [active, archive] = [findPricing(now.active, version), findPricing(now.archived, version)];
        if (what === 'add' && !hasVersion(now, version)) {
          living.add(version);
          state = { ...state, ...withPricing(now, { version, id: `p${version}` }) };
        } else if (what === 'archive' && active !== undefined) state = { ...state, ...archived(now, active) };
        else if (what === 'activate' && archive !== undefined) state = { ...state, ...activated(now, archive) };
        else if (what === 'disable') state = { ...state, ...disabled(now) };
        else if (what === 'delete' && archive !== undefined) {
          living.delete(version);
          state = { ...state, ...withoutPricing(now, archive) };
        }
      }
      const end = service(state);
      assert.deepEqual([...Object.keys(end.active), ...Object.keys(end.archived ?? {})].sort(), [...living].sort());
    }),
  );
});

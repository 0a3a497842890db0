import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import { compile } from '@polyedge/query/predicate';
import { sampleElement } from '../../../test/sample-element.ts';
import { mayUseScope, visibleEventsFor, visibleTo } from './visibility.ts';

const principal = (parts: Partial<Principal> = {}): Principal => ({
  ...{ account: 'carol', tenant: 'acme', username: 'carol', app: 'app', roles: {}, session: 's', issuedAt: 0, expiresAt: 1 },
  ...{ defaultScope: 'home', scopes: ['s1'] },
  ...parts,
});
const sees = (who: Principal, parts: Partial<Element>): boolean => compile(visibleTo(who))(sampleElement(parts));

test('a principal sees its default scope, its other scopes and the elements that it owns', () => {
  const who = principal();
  assert.equal(sees(who, { scope: 'home' }), true);
  assert.equal(sees(who, { scope: 's1' }), true);
  assert.equal(sees(who, { scope: 's2' }), false);
  assert.equal(sees(who, { scope: 's2', created: { on: 1, by: 'carol', app: '' } }), true);
  assert.equal(sees(who, { scope: 's2', attributes: { 'ogit/_owner': 'carol' } }), true);
  assert.equal(sees(who, { scope: 's2', attributes: { 'ogit/_owner': 'x' }, created: { on: 1, by: 'carol', app: '' } }), false);
  assert.equal(sees(principal({ scopes: ['*'] }), { scope: 's2' }), true);
});

test('no principal sees the system scope', () => {
  for (const who of [principal(), principal({ scopes: ['*'] }), principal({ scopes: ['system'], account: 'alice' })]) {
    assert.equal(sees(who, { scope: 'system' }), false);
    assert.equal(mayUseScope(who, 'system'), false);
  }
});

test('without allscopes a socket receives events of its default scope and of the permitted ones that it subscribed to', () => {
  const hears = (who: Principal, subscribed: readonly string[], scope: string): boolean =>
    compile(visibleEventsFor(who, { all: false, subscribed }))(sampleElement({ scope }));
  const who = principal();
  assert.equal(hears(who, [], 'home'), true);
  assert.equal(hears(who, [], 's1'), false);
  assert.equal(hears(who, ['s1'], 's1'), true);
  assert.equal(hears(who, ['s2'], 's2'), false);
  assert.equal(hears(principal({ scopes: ['*'] }), ['s2'], 's2'), true);
  assert.equal(hears(principal({ scopes: ['*'] }), [], 's2'), false);
  assert.deepEqual(visibleEventsFor(who, { all: true, subscribed: [] }), visibleTo(who));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Action, allows, type Permission, permissionsOf, problemOfPermission, SEED_ROLES } from './permissions.ts';

const may = (
  permissions: readonly [path: string, action: string, allow?: boolean][],
  action: Action,
  path: string,
  self?: string,
): boolean =>
  allows(
    permissions.map(([at, of, allow = true]): Permission => ({ path: at, action: of, allow })),
    { path, action, self },
  );

test('saga:15 an older path is exact, a prefix with a slash at its end, and a star is one part', () => {
  assert.ok(may([['/bots', 'get']], 'get', '/bots'));
  assert.ok(!may([['/bots', 'get']], 'get', '/bots/1'));
  assert.ok(may([['/bots/', 'get']], 'get', '/bots'));
  assert.ok(may([['/bots/', 'get']], 'get', '/bots/1/properties'));
  assert.ok(may([['/users/*/properties', 'get']], 'get', '/users/1/properties'));
  assert.ok(!may([['/users/*/properties', 'get']], 'get', '/users/1/properties/score'));
  assert.ok(!may([['/users/*/properties', 'get']], 'get', '/users/properties'));
  assert.ok(may([['/', '*']], 'delete', '/users/1'));
});

test('saga:15 a deny on a more special path wins, whatever allows', () => {
  const rules: [string, string, boolean?][] = [
    ['/bots/', '*'],
    ['/bots/21312', '*', false],
  ];
  assert.ok(may(rules, 'get', '/bots/1'));
  assert.ok(!may(rules, 'get', '/bots/21312'));
  assert.ok(!may(rules, 'post', '/bots/21312/properties'));
});

test('saga:16 a newer path is exact, a star in the middle one part, at the end the parent and everything deeper', () => {
  assert.ok(may([['/routes/bots', 'get']], 'get', '/bots'));
  assert.ok(!may([['/routes/bots/', 'get']], 'get', '/bots/1'));
  assert.ok(may([['/routes/bots/*', 'get']], 'get', '/bots'));
  assert.ok(may([['/routes/bots/*', 'get']], 'get', '/bots/1/properties'));
  assert.ok(may([['/routes/users/*/properties', 'post']], 'post', '/users/1/properties'));
  assert.ok(!may([['/routes/users/*/properties', 'post']], 'post', '/users/1/messages'));
  assert.ok(may([['/*', '*']], 'delete', '/scripts/1'));
  assert.ok(may([['/routes/*', 'read']], 'get', '/scripts/1'));
  assert.ok(may([['/routes/scripts/*', 'write']], 'put', '/scripts/1'));
  assert.ok(!may([['/routes/scripts/*', 'write']], 'delete', '/scripts/1'));
  assert.ok(!may([['/models/users/*', '*']], 'get', '/users'));
});

test('saga:15 a user may do everything but delete below the own path, unless it is denied', () => {
  assert.ok(may([], 'post', '/users/me/properties', 'me'));
  assert.ok(!may([], 'delete', '/users/me', 'me'));
  assert.ok(!may([], 'get', '/users/you', 'me'));
  assert.ok(!may([['/users/me/properties', 'post', false]], 'post', '/users/me/properties', 'me'));
});

test('saga:37 the first roles let the anonymous log in, users read, and the administrator do everything', () => {
  const of = (...names: string[]) => permissionsOf(SEED_ROLES, names);
  assert.ok(allows(of('Anonymous User'), { path: '/users/login', action: 'post' }));
  assert.ok(!allows(of('Anonymous User'), { path: '/bots', action: 'get' }));
  assert.ok(allows(of('User'), { path: '/bots/1', action: 'get' }));
  assert.ok(!allows(of('User'), { path: '/bots', action: 'post' }));
  assert.ok(allows(of('000000000000000000000003'), { path: '/roles', action: 'delete' }));
  assert.deepEqual(of('Nobody'), []);
});

test('a permission from outside has a path, a known action and a yes or no', () => {
  assert.equal(problemOfPermission({ path: '/bots/', action: 'get', allow: true }), undefined);
  for (const bad of [
    null,
    7,
    {},
    { path: 'bots', action: 'get' },
    { path: '/a', action: 'sing' },
    { path: '/a', action: 'get', allow: 'yes' },
  ]) {
    assert.notEqual(problemOfPermission(bad), undefined);
  }
});

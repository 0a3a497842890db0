import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CannotStart } from './lifecycle.ts';
import { openIdOf } from './open-id.ts';

test('an OpenID provider is described completely or not at all', () => {
  const rest = { openIdTenant: 'default', openIdScope: 'default', openIdTrustRoles: false };
  const all = { openIdIssuer: 'https://id.example', openIdJwksUrl: 'https://id.example/keys', openIdAudience: 'polyedge' };
  const none = { openIdIssuer: undefined, openIdJwksUrl: undefined, openIdAudience: undefined };
  assert.equal(openIdOf({ ...rest, ...none }), undefined);
  assert.equal(openIdOf({ ...rest, ...all })?.audience, 'polyedge');
  for (const missing of ['openIdIssuer', 'openIdJwksUrl', 'openIdAudience'] as const) {
    assert.throws(() => openIdOf({ ...rest, ...all, [missing]: undefined }), CannotStart, `without ${missing}`);
    assert.throws(() => openIdOf({ ...rest, ...none, [missing]: all[missing] }), CannotStart, `only ${missing}`);
  }
});

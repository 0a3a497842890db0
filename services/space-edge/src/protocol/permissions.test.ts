import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CallerKind, judge, matches, RULES } from './permissions.ts';

const user: CallerKind = { kind: 'user', role: 'USER' };
const admin: CallerKind = { kind: 'user', role: 'ADMIN' };
const key = (scope: 'ALL' | 'MANAGEMENT' | 'EVALUATION'): CallerKind => ({ kind: 'organization', scope });
const everybody: readonly (CallerKind | undefined)[] = [undefined, user, admin, key('ALL'), key('MANAGEMENT'), key('EVALUATION')];

/** Who may, in the order of `everybody`: `-` not, `+` allowed. */
const TABLE: readonly (readonly [method: string, path: string, allowed: string])[] = [
  ['GET', '/healthcheck', '++++++'],
  ['GET', '/events/status', '++++++'],
  ['POST', '/events/test-event', '++++++'],
  ['POST', '/users/authenticate', '++++++'],
  ['POST', '/users', '++++++'],
  ['GET', '/users', '-++---'],
  ['GET', '/users/me', '-++---'],
  ['PUT', '/users/ann/api-key', '-++---'],
  ['DELETE', '/users/ann', '-++---'],
  ['POST', '/users/ann', '------'],
  ['GET', '/organizations', '-++---'],
  ['POST', '/organizations/1/members', '-++---'],
  ['DELETE', '/organizations', '------'],
  ['GET', '/services', '--++++'],
  ['POST', '/services', '---++-'],
  ['DELETE', '/services', '--++--'],
  ['GET', '/services/Zoom', '---+++'],
  ['PUT', '/services/Zoom/pricings/1', '---++-'],
  ['POST', '/services/Zoom/pricings', '---++-'],
  ['DELETE', '/services/Zoom', '---+--'],
  ['PATCH', '/services/Zoom', '------'],
  ['GET', '/contracts', '--+++-'],
  ['POST', '/contracts', '--+++-'],
  ['PUT', '/contracts', '--+++-'],
  ['DELETE', '/contracts', '--++--'],
  ['GET', '/contracts/ann', '--+++-'],
  ['PUT', '/contracts/ann/usageLevels', '--+++-'],
  ['PUT', '/contracts/billingPeriod', '--+++-'],
  ['DELETE', '/contracts/ann', '--++--'],
  ['POST', '/contracts/ann', '------'],
  ['GET', '/organizations/1/contracts', '-++---'],
  ['PUT', '/organizations/1/contracts', '-++---'],
  ['DELETE', '/organizations/1/contracts/ann', '-++---'],
  ['GET', '/features', '---+++'],
  ['POST', '/features/ann', '---+++'],
  ['POST', '/features/ann/pricing-token', '---+++'],
  ['POST', '/features/evaluate', '---+++'],
  ['PUT', '/features/ann', '---++-'],
  ['DELETE', '/features', '---++-'],
  ['GET', '/analytics/api-calls', '-+++++'],
  ['GET', '/cache/get', '--+---'],
  ['POST', '/cache/set', '--+---'],
  ['GET', '/', '------'],
  ['GET', '', '------'],
];

test('space:15 the table says who may call what', () => {
  for (const [method, path, allowed] of TABLE) {
    const found = everybody.map((caller) => (judge(method, path, caller).allowed ? '+' : '-')).join('');
    assert.equal(found, allowed, `${method} ${path}`);
  }
});

test('space:15 with strict scopes, keys of scope EVALUATION do not evaluate', () => {
  const strict = (path: string): boolean[] => everybody.map((caller) => judge('POST', path, caller, true).allowed);
  assert.deepEqual(strict('/features/ann/zoom-chat'), [false, false, false, true, true, false]);
  assert.deepEqual(strict('/features/evaluate'), [false, false, false, true, true, true]);
});

test('space:15 calls without a rule are denied, to every caller', () => {
  const segment = fc.string({ minLength: 1, maxLength: 5 }).filter((text) => !text.includes('/'));
  const known = new Set(RULES.map(({ path }) => path.split('/')[1]));
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH'),
      fc.array(segment, { minLength: 1 }),
      fc.constantFrom(...everybody),
      (method, segments, caller) => {
        fc.pre(!known.has(segments[0]));
        const verdict = judge(method, `/${segments.join('/')}`, caller);
        assert.equal(verdict.allowed, false);
      },
    ),
  );
});

test('patterns: a star is one segment, two stars are any rest, and a slash at the end does not count', () => {
  assert.equal(matches('/users/*', '/users/ann'), true);
  assert.equal(matches('/users/*', '/users/ann/'), true);
  assert.equal(matches('/users/*', '/users/ann/role'), false);
  assert.equal(matches('/users/*', '/users'), false);
  assert.equal(matches('/users/**', '/users/ann/role'), true);
  assert.equal(matches('/users/**', '/users'), false);
  assert.equal(matches('/users/**', '/users//role'), false);
  assert.equal(matches('/users', '/users/'), true);
});

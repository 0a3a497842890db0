import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { allowed, Projection } from './access.ts';
import { parseTopics } from './topics.ts';

const example = (): unknown => parse(readFileSync(new URL('../../topics.example.yaml', import.meta.url), 'utf8'));

test('gooduncle:F49 the example file is valid and has the intended rules', () => {
  const parsed = parseTopics(example());
  assert.ok(parsed.ok);
  assert.deepEqual([...parsed.value.byName.keys()], ['products', 'orders', 'users']);
  assert.equal(parsed.value.byName.get('users')?.maxAffected, 100);
});

test('gooduncle:F49 every mistake in a file is named by its place', () => {
  const parsed = parseTopics({
    topics: {
      a: {
        type: 'system',
        maxAffected: 0,
        live: 1,
        roles: { r: { look: {}, read: { rows: { x: { $no: 1 } }, set: {} }, create: { fields: ['-x'] } } },
      },
      b: [],
    },
    more: 1,
  });
  assert.ok(!parsed.ok);
  const places = parsed.problems.map((problem) => problem.split(': ')[0] ?? '');
  assert.deepEqual(places.sort(), [
    'the file.more',
    'topics.a.live',
    'topics.a.maxAffected',
    'topics.a.roles.r.create.fields',
    'topics.a.roles.r.look',
    'topics.a.roles.r.read.rows.x.$no',
    'topics.a.roles.r.read.set',
    'topics.a.type',
    'topics.b',
    'topics.b.roles',
  ]);
});

test('gooduncle:F50 gooduncle:F51 fields are those of the rules that show the very row', () => {
  const parsed = parseTopics({
    topics: {
      t: {
        roles: {
          mine: { read: { rows: { owner: '$claims.sub' }, fields: ['*'] } },
          all: { read: { fields: ['name'] } },
          lost: { read: { rows: { team: '$claims.team' } } },
        },
      },
    },
  });
  assert.ok(parsed.ok);
  const topic = parsed.value.byName.get('t');
  assert.ok(topic);
  const grant = (role: string) => ({ role, claims: { sub: 'u1' }, expires: undefined, account: 'u1', login: undefined, issuedAt: 0 });
  const stamp = { on: 0, by: '', app: '' };
  const row = (attributes: Readonly<Record<string, string>>) =>
    ({
      id: '1',
      kind: 'vertex',
      type: 't',
      scope: 's',
      version: 1,
      seq: 1,
      deleted: false,
      created: stamp,
      modified: stamp,
      attributes,
    }) as const;
  const both = new Projection(allowed(topic, 'read', [grant('mine'), grant('all')], 's'), undefined);
  assert.deepEqual(both.resource(row({ owner: 'u1', name: 'n', secret: 'x' })), { id: '1', owner: 'u1', name: 'n', secret: 'x' });
  assert.deepEqual(both.resource(row({ owner: 'u2', name: 'n', secret: 'x' })), { id: '1', name: 'n' });
  // A claim that is not there matches nothing, not even rows without a team.
  const lost = new Projection(allowed(topic, 'read', [grant('lost')], 's'), undefined);
  assert.equal(lost.sees(row({ name: 'n' })), false);
});

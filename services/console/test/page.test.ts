/** The page: how large it is, and its pure parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, count, duration } from '../page/format.ts';
import { around } from '../page/layout.ts';
import { elsewhere, PRESETS, socketUrl, TOKEN } from '../page/presets.ts';
import { rolesFrom } from '../page/roles.ts';
import { edgesOf } from '../src/config.ts';
import { differences } from '../src/http/graph.ts';
import { joined } from '../src/live/groups.ts';
import { buildPage } from '../src/page.ts';
import { maySee, visibleTo } from '../src/visibility.ts';

test('the page is at most 200 KiB with gzip, refers to nothing elsewhere, and holds nothing that looks like a token', async () => {
  const { gzipBytes, html, assets, docs } = await buildPage();
  assert.ok(gzipBytes < 200 * 1024, `${gzipBytes} bytes`);
  for (const path of assets.keys()) assert.ok(path === docs.script || html.plain.includes(path), path);
  const all = [html, ...assets.values()].map(({ plain }) => plain.toString()).join('\n');
  assert.doesNotMatch(all, /eyJ[\w-]{10,}/);
  assert.doesNotMatch(all, /src="http|@import|url\(http/);
});

test('numbers and times are short', () => {
  assert.equal(bytes(0), '0 B');
  assert.equal(bytes(1536), '1.5 KiB');
  assert.equal(count(1234.56), '1,234.6');
  assert.equal(count(123_456), '123 k');
  assert.equal(duration(3_700_000), '1 h 1 min');
});

test('elements that lead to the one in the middle stand left of it, those that it leads to right, each once', () => {
  const edges = [
    { id: '1', type: 'a', out: 'me', in: 'right' },
    { id: '2', type: 'b', out: 'me', in: 'right' },
    { id: '3', type: 'a', out: 'left', in: 'me' },
    { id: '4', type: 'a', out: 'me', in: 'me' },
  ];
  const nodes = around('me', edges, 400, 300);
  assert.deepEqual(nodes.map(({ id }) => id).sort(), ['left', 'right']);
  for (const { id, x } of nodes) assert.equal(x > 200, id === 'right');
});

test('every pane has an address and an example, and copied examples contain no token', () => {
  for (const preset of PRESETS) {
    const url = socketUrl('https://edge.example.org/', preset.path);
    assert.match(url, /^wss:\/\/edge\.example\.org\//);
    const [example] = preset.examples;
    assert.ok(example, preset.name);
    const text = elsewhere(preset, url, example.frame);
    assert.match(text, /wscat -c/);
    assert.ok(!/token-(?!TOKEN)/.test(text) && TOKEN === 'TOKEN');
  }
});

test('roles are written a protocol a line', () => {
  assert.deepEqual(rolesFrom('hiro: reader, admin\n\n saga: User'), { hiro: ['reader', 'admin'], saga: ['User'] });
  assert.equal(rolesFrom('hiro reader'), undefined);
});

test('a difference names each attribute with both values as JSON', () => {
  assert.deepEqual(differences({ a: 1, b: [1], c: null }, { b: [2], c: null, d: 'x' }), [
    { name: 'a', before: '1', after: null },
    { name: 'b', before: '[1]', after: '[2]' },
    { name: 'd', before: null, after: '"x"' },
  ]);
});

test('a group is joined from the store, Redis and the edges: the newest position and who owns what', () => {
  const positions = [
    { partition: 0, position: 5, fence: 1 },
    { partition: 1, position: 7, fence: 1 },
  ];
  const shared = { id: 1, members: [{ member: 'a.1', edge: 'a' }], owners: [{ partition: 0, owner: 'a.1' }] };
  const client = { address: '10.0.0.1', username: 'ann', since: 1, pongOn: 2 };
  const view = joined({ id: 1, name: 'g', createdOn: 0, touchedOn: 0, positions }, [
    { ...shared, here: [{ member: 'a.1', ...client }], own: [{ partition: 0, position: 9, pending: 2, lag: 3 }] },
    { ...shared, own: [] },
  ]);
  assert.deepEqual(view.partitions, [
    { partition: 0, position: 9, lag: 3, pending: 2, owner: 'a.1' },
    { partition: 1, position: 7 },
  ]);
  assert.deepEqual(view.members, [{ member: 'a.1', edge: 'a', partitions: 1, client }]);
  assert.equal(view.lag, 3);
});

test("an administrator sees the scopes of the account, and the system's never", () => {
  const some = { defaultScope: 'own', scopes: ['shared'] };
  assert.deepEqual(
    ['own', 'shared', 'other', 'system'].map((scope) => maySee(some, scope)),
    [true, true, false, false],
  );
  assert.equal(maySee({ defaultScope: 'own', scopes: ['*'] }, 'system'), false);
  assert.deepEqual(visibleTo(some), {
    all: [{ not: { test: 'equal', path: ['scope'], value: 'system' } }, { test: 'in', path: ['scope'], values: ['own', 'shared'] }],
  });
});

test('the list of edges is names and addresses', () => {
  assert.deepEqual(edgesOf('hiro=http://a:1, saga=https://b'), { hiro: 'http://a:1', saga: 'https://b' });
  assert.deepEqual(edgesOf(undefined), {});
});

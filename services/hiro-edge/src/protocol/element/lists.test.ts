import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vertex } from '../../../test/graph-talk.ts';
import { editLists, LISTS, type ListItem } from './lists.ts';

const ITEMS = 20_000;
const items = (prefix: string): readonly ListItem[] =>
  Array.from({ length: ITEMS }, (_, n) => ({ value: `v${n}`, created: 1, key: `${prefix}${n}` }));

test('hiro:G20 edits of a long list cost as much as its items and theirs, not their product', () => {
  const stored = items('k');
  const kept = stored.map(({ value, created, key = '' }) => ({ value, created, key }));
  const element = vertex('v1', { attributes: { '/l': stored.map(({ value }) => value), [LISTS]: { '/l': kept } } });
  const before = process.cpuUsage();
  const added = editLists(element, [{ attribute: '/l', do: 'add', items: [...items('k'), ...items('new')] }]);
  const removed = editLists(element, [
    { attribute: '/l', do: 'remove', items: items('other').map(({ key = '' }) => ({ key })) },
    {
      attribute: '/l',
      do: 'remove',
      items: items('k')
        .slice(1)
        .map(({ value }) => ({ value })),
    },
  ]);
  const { user, system } = process.cpuUsage(before);
  assert.equal((added.set['/l'] as readonly unknown[]).length, 2 * ITEMS);
  assert.deepEqual(removed.set['/l'], ['v0']);
  // Milliseconds in microseconds: for each of them a search through all others takes many seconds, in which the edge answers nobody.
  assert.ok((user + system) / 1000 < 2000, `${(user + system) / 1000} ms`);
});

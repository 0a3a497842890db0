import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import type { Graph } from './graph.ts';
import { Notes } from './notes.ts';

const NOW = 1_000_000;
/** What an operation of the store may select. */
const MAX_SELECTED = 10_000;

test('space:39 a value can be put into the cache however many others have expired', async () => {
  const entries = Array.from(
    { length: MAX_SELECTED + 1 },
    (_, n) => ({ id: `old-${n}`, type: 'space/CacheEntry', attributes: { value: 1, expiresAt: n } }) as unknown as Element,
  );
  const written: Operation[] = [];
  const graph = {
    tenant: 't',
    find: async (filter: Filter, { limit }: { readonly limit: number }) => {
      const elements = entries.filter(compile(filter)).slice(0, limit);
      return { ok: true, value: { elements, count: elements.length } };
    },
    write: async (_what: string, _by: string, operations: readonly Operation[]) => {
      written.push(...operations);
      return { ok: true, value: {} };
    },
  } as unknown as Graph;
  assert.ok((await new Notes({ graph, now: () => NOW }).set('key', 'value', 60, 'somebody')).ok);
  const deletions = written.filter((operation) => operation.op === 'delete');
  for (const { target } of deletions) {
    assert.ok(target.where !== undefined);
    const selected = entries.filter(compile(target.where as Filter)).length;
    assert.ok(selected > 0 && selected <= MAX_SELECTED, `an operation selects ${selected} entries`);
  }
  assert.equal(deletions.length, 1);
});

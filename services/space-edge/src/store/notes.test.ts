import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALWAYS_FITTING, type Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { failed } from '@polyedge/contracts/errors';
import type { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import { Graph } from './graph.ts';
import { Notes } from './notes.ts';

const NOW = 1_000_000;
/** What an operation of the store may select. */
const MAX_SELECTED = 10_000;

const SCOPE = { id: 'scope', type: 'ogit/Auth/DataScope', xid: 'scope:t' } as unknown as Element;

const expired = (count: number): Element[] =>
  Array.from(
    { length: count },
    (_, n) => ({ id: `old-${n}`, type: 'space/CacheEntry', attributes: { value: 1, expiresAt: n } }) as unknown as Element,
  );

/**
 * Sets a value beside other entries.
 * @param fitting the most elements of one answer of the store
 * @returns how many entries each deletion selects
 */
async function setBeside(entries: readonly Element[], fitting: number): Promise<number[]> {
  const written: Operation[] = [];
  const rest = {
    requestWithRetries: async (_channel: unknown, _tenant: unknown, { filter, limit }: { filter: Filter; limit: number }) => {
      const elements = [SCOPE, ...entries].filter(compile(filter)).slice(0, limit);
      return elements.length > fitting ? failed('too-large') : { ok: true, value: { elements } };
    },
    write: async ({ operations }: { operations: readonly Operation[] }) => {
      written.push(...operations);
      return { ok: true, value: {} };
    },
  } as unknown as RestTasks;
  const graph = new Graph(rest, 't');
  assert.ok(await graph.findScope());
  assert.ok((await new Notes({ graph, now: () => NOW }).set('key', 'value', 60, 'somebody')).ok);
  return written.flatMap((operation) => {
    if (operation.op !== 'delete') return [];
    assert.ok(operation.target.where !== undefined);
    return [entries.filter(compile(operation.target.where)).length];
  });
}

test('space:39 a value can be put into the cache however many others have expired', async () => {
  const [selected = 0, ...more] = await setBeside(expired(MAX_SELECTED + 1), MAX_SELECTED);
  assert.ok(selected > 0 && selected <= MAX_SELECTED, `an operation selects ${selected} entries`);
  assert.deepEqual(more, []);
});

test('space:39 a value can be put into the cache however large others are that have expired', async () => {
  assert.deepEqual(await setBeside(expired(100), ALWAYS_FITTING), [ALWAYS_FITTING]);
});

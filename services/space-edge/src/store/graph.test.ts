import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALWAYS_FITTING } from '@polyedge/contracts/bus/graph';
import { failed } from '@polyedge/contracts/errors';
import type { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import { Graph } from './graph.ts';

const CHANGES = 40;

test('space:32 all changes of an element are seen, in order, however large its states are', async () => {
  const rest = {
    requestWithRetries: async (_channel: unknown, _parameters: unknown, body: { readonly limit: number; readonly afterSeq?: number }) => {
      // The states are so large that no more of them fit into an answer.
      if (body.limit > ALWAYS_FITTING) return failed('too-large');
      const left = Array.from({ length: CHANGES }, (_, n) => ({ seq: n + 1 })).filter(({ seq }) => seq > (body.afterSeq ?? 0));
      return { ok: true, value: { changes: left.slice(0, body.limit), more: left.length > body.limit } };
    },
  } as unknown as RestTasks;
  const seen: number[] = [];
  assert.ok((await new Graph(rest, 't').history('id', 0, ({ seq }) => seen.push(seq))).ok);
  assert.deepEqual(
    seen,
    Array.from({ length: CHANGES }, (_, n) => n + 1),
  );
});

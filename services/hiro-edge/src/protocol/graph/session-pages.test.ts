import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALWAYS_FITTING } from '@polyedge/contracts/bus/graph';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { errorCodes, type Out, ofKind, sent, talk, vertex } from '../../../test/graph-talk.ts';

const ROWS = 40;
const rows = Array.from({ length: ROWS }, (_, n) => vertex(`v${n}`, { seq: n + 1 }));

/** A store whose rows are so large that only `ALWAYS_FITTING` of them fit into an answer. */
function answer(body: unknown): Outcome<unknown> {
  const { limit = 0, ids, cursor, afterSeq } = body as Readonly<{ limit?: number; ids?: string[]; cursor?: string; afterSeq?: number }>;
  if ((ids?.length ?? limit) > ALWAYS_FITTING) return failed('too-large');
  if (ids !== undefined) return { ok: true, value: { epoch: 'e', seq: 1, elements: rows.filter(({ id }) => ids.includes(id)) } };
  const left = rows.filter(({ seq }) => seq > Number(cursor ?? afterSeq ?? 0));
  const page = left.slice(0, limit);
  const more = left.length > page.length;
  const changes = page.map((state) => ({
    ...state,
    on: state.modified.on,
    by: 'b',
    app: 'a',
    action: 'update',
    owners: [],
    origin: {},
    state,
    undo: { seq: 0 },
  }));
  return { ok: true, value: { epoch: 'e', seq: 1, elements: page, changes, more, ...(more ? { cursor: String(page.at(-1)?.seq) } : {}) } };
}

const REQUESTS: readonly (readonly [name: string, type: string, request: object])[] = [
  ['vertices of a query', 'query', { headers: { type: 'vertices' }, body: { query: '*:*', limit: -1 } }],
  ['vertices by id', 'query', { headers: { type: 'ids' }, body: { query: rows.map(({ id }) => id).join(',') } }],
  ['past events', 'events', { body: { from: 0 } }],
];

for (const [name, type, request] of REQUESTS) {
  test(`all of a list arrives, however large its rows are: ${name}`, () => {
    const { send, input } = talk();
    const seen: unknown[] = [];
    let effects: readonly Out[] = send(JSON.stringify({ id: 1, type, ...request }));
    for (let step = 0; step < ROWS; step += 1) {
      assert.deepEqual(errorCodes(effects), []);
      for (const frame of sent(effects)) if ('body' in frame && frame.body !== null) seen.push(frame.body);
      const confirm = effects.find((effect) => effect.do === 'confirm');
      if (confirm !== undefined) effects = input({ kind: 'confirmed', id: confirm.id });
      else if (effects.some((effect) => effect.do === 'request')) {
        const { id, call } = ofKind(effects, 'request');
        effects = input({ kind: 'reply', id, outcome: answer(call.body) });
      } else break;
    }
    assert.equal(seen.length, ROWS);
  });
}

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
      const wait = effects.find((effect) => effect.do === 'when-flushed');
      if (wait !== undefined) effects = input({ kind: 'timer', name: wait.name });
      else if (effects.some((effect) => effect.do === 'request')) {
        const { id, call } = ofKind(effects, 'request');
        effects = input({ kind: 'reply', id, outcome: answer(call.body) });
      } else break;
    }
    assert.equal(seen.length, ROWS);
  });
}

test('pages are sent while reading is stopped, so a client may send any number of lists before it reads', () => {
  const { send, input } = talk({ maxInFlight: 8 });
  const list = (id: number): string =>
    JSON.stringify({ id, type: 'query', headers: { type: 'vertices' }, body: { query: '*:*', limit: -1 } });
  const queue: Out[] = [];
  for (let id = 0; id < 8; id += 1) queue.push(...send(list(id)));
  assert.ok(queue.some((effect) => effect.do === 'pause'));
  let ended = 0;
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    assert.notEqual(effect.do, 'confirm', 'a pong would come after what is not read');
    if (effect.do === 'send' && 'more' in effect.frame && !effect.frame.more) ended += 1;
    if (effect.do === 'request') queue.push(...input({ kind: 'reply', id: effect.id, outcome: answer(effect.call.body) }));
    if (effect.do === 'when-flushed') queue.push(...input({ kind: 'timer', name: effect.name }));
  }
  assert.equal(ended, 8);
});

const MANY: readonly (readonly [atOnce: number, request: object])[] = [
  [4, { type: 'query', headers: { type: 'vertices' }, body: { query: '*:*' } }],
  [4, { type: 'events' }],
  [4, { type: 'history', headers: { 'ogit/_id': 'v1' } }],
  [4, { type: 'streamts', headers: { 'ogit/_id': 'v1' } }],
  [4, { type: 'valuehistory', headers: { 'ogit/_id': 'v1' } }],
  [4, { type: 'getcontent', headers: { 'ogit/_id': 'v1' } }],
  [32, { type: 'get', headers: { 'ogit/_id': 'v1' } }],
  [32, { type: 'me' }],
];

for (const [atOnce, request] of MANY) {
  test(`of many requests of the type ${(request as { type: string }).type}, ${atOnce} are with the store at a time`, () => {
    const { send, input } = talk();
    const asks = Array.from({ length: 50 }, (_, id) => send(JSON.stringify({ id, ...request })))
      .flat()
      .filter((effect) => effect.do === 'request');
    assert.equal(asks.length, atOnce);
    const next = input({ kind: 'reply', id: asks[0]?.id ?? '', outcome: failed('not-found') });
    assert.equal(next.filter((effect) => effect.do === 'request').length, 1);
  });
}

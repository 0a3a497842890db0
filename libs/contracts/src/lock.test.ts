import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnyChannel, defineEvent, defineRequest } from './channel.ts';
import { differences, lockOf } from './lock.ts';
import { T, type TSchema } from './schema.ts';

const ask = (request: TSchema, reply: TSchema = T.Object({})): Record<string, AnyChannel> => ({
  ask: defineRequest({ address: 'pe.cmd.trial.ask.v1', summary: 'Asks.', request, reply, errors: [] }),
});
const tell = (body: TSchema): Record<string, AnyChannel> => ({
  tell: defineEvent({ address: 'pe.evt.trial.told.v1', summary: 'Tells.', body }),
});
const says = (before: Record<string, AnyChannel>, now: Record<string, AnyChannel>): string[] =>
  differences(lockOf(before), lockOf(now)).map(({ compatible, what }) => `${compatible ? 'ok' : 'no'} ${what}`);

const small = T.Object({ id: T.String() });

test('the same channels do not differ, whatever the order of their members', () => {
  const one = T.Object({ a: T.String(), b: T.Optional(T.Integer()) });
  const other = T.Object({ b: T.Optional(T.Integer()), a: T.String() });
  assert.deepEqual(says(tell(one), tell(one)), []);
  assert.deepEqual(
    says(tell(one), tell(other)).filter((line) => line.startsWith('no')),
    [],
  );
});

test('a new channel is compatible, a missing one and one of another kind are not', () => {
  assert.deepEqual(says({}, tell(small)), ['ok the channel is new']);
  assert.deepEqual(says(tell(small), {}), ['no the channel is gone']);
});

test('an optional field may be added, a required one only where older readers read', () => {
  const optional = T.Object({ id: T.String(), limit: T.Optional(T.Integer()) });
  const required = T.Object({ id: T.String(), limit: T.Integer() });
  assert.deepEqual(says(ask(small), ask(optional)), ['ok request/properties/limit: added, optional']);
  assert.deepEqual(says(ask(small), ask(required)), ['no request/properties/limit: added, required']);
  assert.deepEqual(says(tell(small), tell(required)), ['ok body/properties/limit: added, required']);
  assert.deepEqual(says(tell(required), tell(small)), ['no body/properties/limit: removed']);
  assert.deepEqual(says(tell(required), tell(optional)), ['no body/properties/limit: became optional']);
  assert.deepEqual(says(ask(required), ask(optional)), ['ok request/properties/limit: became optional']);
  assert.deepEqual(says(ask(optional), ask(required)), ['no request/properties/limit: became required']);
});

test('a request may accept more, a reply may not contain more', () => {
  const narrow = T.Object({ n: T.Integer({ maximum: 10 }) });
  const wide = T.Object({ n: T.Integer({ maximum: 20 }) });
  assert.deepEqual(says(ask(narrow), ask(wide)), ['ok request/properties/n/maximum: changed']);
  assert.deepEqual(says(ask(wide), ask(narrow)), ['no request/properties/n/maximum: changed']);
  assert.deepEqual(says(ask(small, narrow), ask(small, wide)), ['no reply/properties/n/maximum: changed']);
});

test('alternatives are matched by their constants', () => {
  const create = T.Object({ op: T.Literal('create'), id: T.String() });
  const remove = T.Object({ op: T.Literal('delete'), id: T.String() });
  const one = T.Object({ do: T.Union([create, T.Null()]) });
  const two = T.Object({ do: T.Union([remove, create, T.Null()]) });
  const found = says(ask(one), ask(two));
  assert.ok(found.includes('ok request/properties/do/anyOf/op="delete": added'), found.join('\n'));
  assert.equal(
    says(ask(small, one), ask(small, two)).some((line) => line.startsWith('no')),
    true,
  );
});

test('another type is incompatible, another description is compatible', () => {
  assert.deepEqual(says(tell(T.Object({ n: T.Integer() })), tell(T.Object({ n: T.Number() }))), ['no body/properties/n/type: changed']);
  assert.deepEqual(says(tell(small), tell(T.Object({ id: T.String({ description: 'Its id.' }) }))), [
    'ok body/properties/id/description: worded differently',
  ]);
});

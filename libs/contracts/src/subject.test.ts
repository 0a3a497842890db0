import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkAddress, pattern, subject, token, untoken } from './subject.ts';

const address = 'pe.evt.trial.happened.v1.{tenant}.{key}';
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('', '.', '*', '>', ' ', '=', '~', 'a.b', '=YQ'));

test('a token never contains a separator, a wildcard or a space, and is never empty or long', () => {
  fc.assert(
    fc.property(text, (value) => {
      const made = token(value);
      assert.match(made, /^[A-Za-z0-9_=~-]{1,66}$/);
    }),
  );
});

test('a token can be decoded unless it is a hash', () => {
  fc.assert(
    fc.property(text, (value) => {
      // An unpaired surrogate has no UTF-8 form; graph-store rejects it before it becomes an id.
      fc.pre(value.isWellFormed());
      const found = untoken(token(value));
      if (Buffer.byteLength(value) <= 48) assert.equal(found, value);
      else if (found !== undefined) assert.equal(found, value);
      else assert.match(token(value), /^~/);
    }),
  );
});

test('different values have different tokens', () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      fc.pre(one !== other && one.isWellFormed() && other.isWellFormed());
      assert.notEqual(token(one), token(other));
    }),
  );
});

test('a subject has as many tokens as its address, and its pattern matches it token by token', () => {
  fc.assert(
    fc.property(text, text, (tenant, key) => {
      const made = subject(address, { tenant, key }).split('.');
      assert.equal(made.length, address.split('.').length);
      assert.equal(pattern(address, { tenant, key }), made.join('.'));
      assert.equal(pattern(address, { tenant }), [...made.slice(0, -1), '*'].join('.'));
    }),
  );
});

test('an address outside the grammar is rejected', () => {
  for (const bad of [
    '',
    'pe.cmd.graph',
    'pe.cmd.graph.get',
    'pe.xyz.graph.get.v1',
    'pe.cmd.Graph.get.v1',
    'pe.cmd.graph.get.v0',
    'pe.cmd.graph.get.v1.{a}.b',
    'pe.cmd.graph.get.v1.>',
  ]) {
    assert.throws(() => checkAddress(bad), bad);
  }
  assert.doesNotThrow(() => checkAddress(address));
});

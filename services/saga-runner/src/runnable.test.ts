import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import { mayUse, runnableOf } from './runnable.ts';

const stamp = { on: 1, by: 'someone', app: 'saga' };
const script = (body: string) => {
  const element = { tenant: 't', id: 's', kind: 'vertex', type: 'saga/Script', scope: 's', version: 1, seq: 1, deleted: false } as const;
  return runnableOf({ ...element, created: stamp, modified: stamp, attributes: { body } } as Element);
};

test('the parent of a property is read for code that may look at it, however it names it, and not for a longer name', () => {
  for (const body of [
    'return parent.username;',
    'return property["parent"] ?? [...parent];',
    'return `$' + '{parent}`;',
    'return arguments[1];',
    'return eval("par" + "ent");',
    'return p\\u0061rent;',
    'return p\\u{61}rent;',
  ]) {
    assert.equal(mayUse(script(body), 'parent'), true, body);
  }
  for (const body of [
    'await BotProperty.add("n", 1, property.parent_id);',
    'const $parent = grandparent;',
    'return property.inline_parent;',
  ]) {
    assert.equal(mayUse(script(body), 'parent'), false, body);
  }
});

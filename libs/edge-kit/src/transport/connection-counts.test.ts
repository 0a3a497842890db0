import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { ConnectionCounts } from './connection-counts.ts';

test('connections count for the network of their address until they close', () => {
  const counts = new ConnectionCounts();
  const [one, two, three] = [new EventEmitter(), new EventEmitter(), new EventEmitter()];
  counts.add('2001:db8::1', one);
  counts.add('2001:db8::ffff:2', two);
  counts.add('192.0.2.1', three);
  assert.deepEqual([counts.total, counts.from('2001:db8::3'), counts.from('::ffff:192.0.2.1'), counts.from('2001:db9::1')], [3, 2, 1, 0]);
  one.emit('close');
  two.emit('close');
  assert.deepEqual([counts.total, counts.from('2001:db8::3')], [1, 0]);
});

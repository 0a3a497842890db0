import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Arrived, MessageDecoder } from './socketio-packets.ts';

/** What arrives out of packets as text. */
function arrived(...texts: readonly string[]) {
  const decoder = new MessageDecoder();
  const messages: Arrived['message'][] = [];
  // An event goes through the library as the second part of its packet's data.
  decoder.on('decoded', ({ data }) => void messages.push((data as readonly [string, Arrived])[1].message));
  for (const text of texts) decoder.add(text);
  return messages;
}

test('integers beyond 2^53 arrive exactly, with and without namespace and number', () => {
  const args = [{ n: 9_007_199_254_740_993n }];
  assert.deepEqual(arrived('2["e",{"n":9007199254740993}]', '2/a[b,17["e",{"n":9007199254740993}]', '2/a,["e",{"n":9007199254740993}]'), [
    { kind: 'event', event: 'e', args },
    { kind: 'event', event: 'e', args, ack: 17 },
    { kind: 'event', event: 'e', args },
  ]);
});

test('an event whose arguments are of no use keeps its name and its number, and says why', () => {
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  assert.deepEqual(arrived(`217["e",${deep}]`, '2/a,18["e",1e400]', '219["e",1]'), [
    { kind: 'event', event: 'e', args: [], ack: 17, problem: 'is nested more than 64 levels deep' },
    { kind: 'event', event: 'e', args: [], ack: 18, problem: 'has a number that is out of range' },
    { kind: 'event', event: 'e', args: [1], ack: 19 },
  ]);
});

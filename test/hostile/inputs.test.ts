import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from '@polyedge/query/json-text';
import { randomFrom } from '../kill/random.ts';
import { mutated, sentBy } from './inputs.ts';

const SERVICES = ['hiro-edge', 'saga-edge', 'space-edge', 'jssocket-edge'];

test('every service has transcripts as samples, and the same seed gives the same texts', () => {
  for (const service of SERVICES) {
    const samples = sentBy(service);
    assert.ok(samples.length > 0, service);
    const texts = (seed: number): readonly string[] => {
      const random = randomFrom(seed);
      return Array.from({ length: 20 }, () => mutated(random.pick(samples), random));
    };
    assert.deepEqual(texts(3), texts(3));
    assert.notDeepEqual(texts(3), texts(4));
  }
});

test('the texts are of every kind: invalid JSON, JSON nested too deep, JSON with numbers that cannot be stored, and acceptable JSON', () => {
  const random = randomFrom(1);
  const samples = sentBy('hiro-edge');
  const kinds = new Set<string>();
  for (let n = 0; n < 300; n += 1) {
    const parsed = parseJson(mutated(random.pick(samples), random));
    kinds.add(parsed.ok ? 'passes' : parsed.reason);
  }
  assert.deepEqual([...kinds].sort(), ['depth', 'number', 'passes', 'syntax']);
});

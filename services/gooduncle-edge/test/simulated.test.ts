import { test } from 'node:test';
import { Chance } from './exactness.ts';
import { simulate } from './simulated.ts';

const SEEDS = 12;
const STEPS = 300;

test('gooduncle:F42 gooduncle:F44 gooduncle:F45 a session in a simulated world shows the result of a read, whatever is late, large, lost or unread', () => {
  const { seed } = new Chance();
  for (let at = 0; at < SEEDS; at += 1) simulate(seed + at, STEPS);
});

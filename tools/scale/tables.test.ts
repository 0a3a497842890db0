import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hopsOf, type Size } from './model.ts';
import { scaleTables } from './tables.ts';

test('docs/scale.md shows what the model says (else paste the output of node tools/scale.ts)', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/scale.md'), 'utf8');
  assert.ok(page.includes(scaleTables().trim()));
});

test('twice as much of a thing halves what each of it carries, and nothing else', () => {
  const size: Size = {
    ...{ edges: 10, journals: 4, replicas: 2, natsServers: 3, redisServers: 1, connections: 1e6 },
    ...{ writesPerSecond: 20_000, receivers: 5, journalsPerEdge: 4, edgesPerChange: 5 },
  };
  const loadOf = (of: Size, hop: string): number => hopsOf(of).find((one) => one.hop === hop)?.load ?? Number.NaN;
  for (const [name, hop] of [
    ['redisServers', 'Redis: CPU'],
    ['journals', 'PostgreSQL of a journal: log'],
    ['replicas', 'graph-store: CPU of a replica'],
  ] as const) {
    const doubled = { ...size, [name]: size[name] * 2 };
    assert.ok(Math.abs(loadOf(doubled, hop) * 2 - loadOf(size, hop)) < 1e-9, hop);
    assert.equal(loadOf(doubled, 'edge: memory'), loadOf(size, 'edge: memory'));
  }
});

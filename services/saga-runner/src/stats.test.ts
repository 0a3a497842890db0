import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { Stats } from './stats.ts';

/** Records so many names; returns what the metrics have afterwards. */
function counted(tenants: number, wishes: readonly (readonly [tenant: string, names: number])[]): Record<string, number> {
  const metrics = noMetrics();
  const stats = new Stats(metrics, tenants);
  for (const [tenant, names] of wishes) for (let name = 0; name < names; name += 1) stats.record(tenant, 'count', `${tenant}${name}`, 1);
  return metrics.figures(100_000);
}
const named = (figures: Record<string, number>, tenant: string): number =>
  Object.keys(figures).filter((key) => new RegExp(`"${tenant}\\d+"`).test(key)).length;
const OTHER = 'saga_script_count{name="other"}';

test('saga:39 an organization has 200 names of its own; further ones are counted together', () => {
  const figures = counted(2, [
    ['a', 200],
    ['b', 201],
  ]);
  assert.deepEqual([named(figures, 'a'), named(figures, 'b'), figures[OTHER]], [200, 200, 1]);
});

test('saga:39 an organization that uses up its names takes none of the others, however many there are', () => {
  const some = counted(10, [
    ['a', 5000],
    ['b', 100],
  ]);
  assert.deepEqual([named(some, 'a'), named(some, 'b'), some[OTHER]], [100, 100, 4900]);
  const many = counted(3000, [
    ['a', 5000],
    ['b', 1],
  ]);
  assert.deepEqual([named(many, 'a'), named(many, 'b')], [1, 1]);
});

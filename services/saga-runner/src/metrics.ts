import type { Groups } from '@polyedge/journal/groups/groups';
import type { Metrics } from '@polyedge/service-kit/metrics';
import type { Jobs } from './jobs.ts';
import type { JournalTriggers } from './journal-triggers.ts';
import type { Pool } from './pool.ts';
import type { Runs } from './runs.ts';

export interface Reported {
  readonly pool: Pool;
  readonly runs: Runs;
  readonly jobs: Jobs;
  readonly triggers: readonly JournalTriggers[];
}

/** Metrics of a runner; those that scripts define are in `stats.ts`. */
export function reportRunner(metrics: Metrics, { pool, runs, jobs, triggers }: Reported): void {
  metrics.countersOf('runner_runs', 'Runs by how they ended.', runs.stats);
  metrics.countersOf('runner_processes', 'What happens to processes of isolates.', pool.stats);
  metrics.gauge('runner_processes_now', 'Processes of isolates.', () => pool.size);
  metrics.gauge('runner_running', 'Runs under way.', () => runs.running);
  metrics.gauge('runner_waiting', 'Runs that wait for a place.', () => runs.waiting);
  metrics.gauge('runner_held_back', 'Changes that wait until runs may wait again.', () =>
    triggers.reduce((sum, { heldBack }) => sum + heldBack, 0),
  );
  metrics.gauge('runner_in_charge', 'Organizations whose jobs this runner starts.', () => jobs.inCharge);
}

/** The runners' own groups in one journal. */
export function reportGroups(metrics: Metrics, groups: Groups, journal: string): void {
  const labels = { edge: 'runner', journal };
  metrics.countersOf('groups', 'What groups count.', groups.stats, labels);
  metrics.gauge('groups_pending', 'Changes whose runs have not ended.', () => groups.gauges().pending, labels);
  metrics.gauge('groups_behind', 'Changes of the journal by which the group is behind.', () => groups.gauges().lag, labels);
}

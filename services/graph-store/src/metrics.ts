/** The metrics of graph-store: of each journal that it serves, and of the directory. */

import type { HashStats } from '@polyedge/service-kit/hash-queue';
import type { Metrics } from '@polyedge/service-kit/metrics';
import type { AdmissionStats } from './admission-control.ts';
import type { ExecutorStats } from './executor/settings.ts';
import type { MoveStats } from './placing/decided-moves.ts';
import type { GroupStats } from './postgres/groups.ts';
import type { AppenderStats, PublisherStats } from './publisher/settings.ts';

export function exportMetrics(
  metrics: Metrics,
  stats: {
    readonly journal: string;
    readonly executor: { readonly stats: Readonly<ExecutorStats> };
    readonly admission: AdmissionStats;
    readonly publisher: PublisherStats;
    readonly appender: AppenderStats;
    readonly groups: GroupStats;
    readonly moves: Readonly<MoveStats>;
  },
): void {
  const labels = { journal: stats.journal };
  const { executor, admission, publisher, appender, groups, moves } = stats;
  metrics.counterOf('store_batches', 'Batches committed.', () => executor.stats.batches, labels);
  metrics.counterOf('store_requests', 'Mutation requests in committed batches.', () => executor.stats.requests, labels);
  metrics.counterOf('store_changes', 'Changes committed.', () => executor.stats.changes, labels);
  metrics.counterOf('store_exclusive_batches', 'Batches run again alone after a collision.', () => executor.stats.exclusive, labels);
  metrics.counterOf('store_bisected_batches', 'Batches split because the database refused a value.', () => executor.stats.bisected, labels);
  metrics.counterOf(
    'store_repeated_requests',
    'Requests answered with the result of an earlier attempt.',
    () => executor.stats.repeated,
    labels,
  );
  metrics.counterOf('store_lookups', 'Batches whose outcome had to be looked up.', () => executor.stats.lookups, labels);
  metrics.counterOf(
    'store_joined_messages',
    'Repeated messages that got the outcome of the running attempt.',
    () => executor.stats.joined,
    labels,
  );
  metrics.counterOf('store_refused_requests', 'Requests answered busy.', () => executor.stats.refused, labels);
  metrics.counterOf(
    'store_stalls',
    'Times that the event loop stood still, and writes were left to other replicas.',
    () => admission.stalls,
    labels,
  );
  metrics.gauge('store_waiting_requests', 'Requests waiting for a batch.', () => executor.stats.waitingRequests, labels);
  metrics.gauge('store_waiting_bytes', 'Bytes of requests waiting for a batch.', () => executor.stats.waitingBytes, labels);
  metrics.gauge('publisher_active', 'Whether this replica publishes.', () => (publisher.publishing ? 1 : 0), labels);
  metrics.counterOf('publisher_changes', 'Changes published.', () => publisher.published, labels);
  metrics.gauge('publisher_head', 'Everything up to this seq was published.', () => publisher.head, labels);
  metrics.counterOf(
    'publisher_references',
    'Changes published without their state because of their size.',
    () => publisher.references,
    labels,
  );
  metrics.counterOf('publisher_refused', 'Messages that NATS would have refused; edges fetch them.', () => publisher.refused, labels);
  metrics.counterOf('publisher_journal_reads', 'Reads of the journal by the publisher.', () => publisher.readsFromJournal, labels);
  metrics.gauge('publisher_lag_ms', 'Age of the newest change when it was published.', () => publisher.lagMs, labels);
  metrics.counterOf('redis_appended', 'Changes appended to Redis.', () => appender.appended, labels);
  metrics.counterOf('redis_rebuilt', 'Partitions of the hot journal that were rebuilt.', () => appender.rebuilt, labels);
  metrics.counterOf('redis_failures', 'Times that Redis did not take changes.', () => appender.failures, labels);
  metrics.counterOf('groups_created', 'Consumer groups created.', () => groups.created, labels);
  metrics.counterOf('groups_expired', 'Consumer groups deleted because they had no members.', () => groups.expired, labels);
  metrics.counterOf('groups_over_lag', 'Consumer groups forgotten because they were too far behind.', () => groups.overLag, labels);
  metrics.gauge('tenants_arriving', 'Tenants that are being moved to the journal.', () => moves.arriving, labels);
  metrics.gauge('tenants_arriving_part', 'How much of the slowest of these moves is copied, from 0 to 1.', () => moves.copiedPart, labels);
  metrics.gauge(
    'tenants_leaving',
    'Tenants that are being moved to another journal, or were and are not removed yet.',
    () => moves.leaving,
    labels,
  );
}

export function exportLogins(metrics: Metrics, hashes: HashStats): void {
  metrics.counterOf('logins_hashed', 'Passwords hashed.', () => hashes.hashed);
  metrics.counterOf('logins_expired', 'Passwords not hashed because the caller had gone.', () => hashes.expired);
  metrics.counterOf('logins_refused', 'Passwords not hashed because too many waited.', () => hashes.refused);
}

/** The metrics that every edge exports about its feeds, with the same names: sums over the journals that its clients watch. */
import type { Metrics } from '@polyedge/service-kit/metrics';
import type { Feeds } from '../feed/feeds.ts';
import type { FeedStats } from '../feed/settings.ts';

export function reportFeeds(metrics: Metrics, edge: string, feeds: Pick<Feeds, 'open'>): void {
  const labels = { edge };
  const all = (figure: keyof FeedStats): number[] => [...feeds.open.values()].map(({ stats }) => stats[figure]);
  const sum = (figure: keyof FeedStats) => (): number => all(figure).reduce((left, right) => left + right, 0);
  metrics.gauge('feed_watches', 'Watches of changes.', sum('watches'), labels);
  metrics.gauge('feed_pending', 'Changes announced and not yet handed to every watch.', sum('pending'), labels);
  metrics.gauge(
    'feed_head_age_ms',
    'Milliseconds since the last head of a publisher, the longest of all journals.',
    () => Math.max(0, ...all('headAgeMs')),
    labels,
  );
  metrics.counterOf('feed_delivered', 'Changes handed to watches.', sum('delivered'), labels);
  metrics.counterOf('feed_gaps', 'Times that a gap stopped the feed until it was fetched.', sum('gaps'), labels);
  metrics.counterOf('feed_fetched', 'Changes fetched because they did not arrive.', sum('fetchedChanges'), labels);
  metrics.counterOf('feed_fetch_failures', 'Fetches that failed; they are repeated.', sum('fetchFailures'), labels);
  metrics.counterOf('feed_lost', 'Watches that could not be continued without a gap.', sum('lost'), labels);
}

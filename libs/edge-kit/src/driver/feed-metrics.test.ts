import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { newFeedStats } from '../feed/settings.ts';
import { reportFeeds } from './feed-metrics.ts';

test('the figures of an edge are those of all its feeds', () => {
  const metrics = noMetrics();
  const open = new Map([
    ['main', { stats: { ...newFeedStats(), watches: 2, gaps: 1, fetchedChanges: 5, headAgeMs: 20 } }],
    ['east', { stats: { ...newFeedStats(), watches: 1, gaps: 2, lost: 1, headAgeMs: 900 } }],
  ]);
  reportFeeds(metrics, 'hiro', { open });
  assert.deepEqual(metrics.figures(100), {
    'feed_watches{edge="hiro"}': 3,
    'feed_head_age_ms{edge="hiro"}': 900,
    'feed_gaps{edge="hiro"}': 3,
    'feed_fetched{edge="hiro"}': 5,
    'feed_lost{edge="hiro"}': 1,
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Interest } from '@polyedge/contracts/interest';
import { connectNatsBus, type NatsBus } from '@polyedge/service-kit/nats-bus';
import { openGateway } from '@polyedge/testkit/servers/gateway';
import { startNats } from '@polyedge/testkit/servers/nats';
import { until } from '@polyedge/testkit/until';
import { openFeed } from '../src/feed/feed.ts';
import { answerFrom, ModelJournal, ModelPublisher, WatchRecord } from '../src/testing/feed-model.ts';

async function open(port: number, service: string): Promise<NatsBus> {
  const outcome = await connectNatsBus({ url: `nats://127.0.0.1:${port}`, service });
  if (!outcome.ok) assert.fail(`${service}: ${JSON.stringify(outcome.failure)}`);
  return outcome.value;
}

test('an edge that is disconnected, and reconnects later than the publisher, misses nothing on a real server', async () => {
  await using nats = await startNats();
  await using way = await openGateway(nats.port);
  const store = await open(nats.port, 'graph-store');
  const edge = await open(way.port, 'test-edge');
  const journal = new ModelJournal();
  answerFrom(journal, store, () => 100);
  // Every seventh is a reference.
  const publisher = new ModelPublisher(journal, store, { fence: 1, published: 0 }, (seq) => seq % 7 === 0);
  const work = (count: number, publish: boolean) => {
    for (let n = 0; n < count; n += 1) {
      journal.commit({ tenant: 't', type: n % 2 === 0 ? 'A' : 'B', owners: n % 3 === 0 ? ['a b.c', 'y'] : ['y'] });
      if (publish && n % 5 === 4) publisher.publish(10);
    }
    if (publish) publisher.publish(count);
  };
  const beat = setInterval(() => {
    if (store.status === 'connected') publisher.publish(50);
  }, 200);
  const feed = openFeed({ bus: edge });
  try {
    const interests: Interest[] = [{ tenant: 't' }, { tenant: 't', type: 'A' }, { tenant: 't', owner: 'a b.c' }];
    const records = interests.map((interest) => new WatchRecord(feed, journal, interest));
    const caughtUp = () => records.every((record) => record.problem !== undefined || record.missing(journal.seq) === undefined);
    const check = () => {
      for (const record of records) assert.deepEqual([record.problem, record.failure], [undefined, undefined]);
    };
    await until('live', () => records.every(({ epoch }) => epoch !== undefined));

    work(300, true);
    await until('the first changes', caughtUp);
    assert.equal(feed.stats.gaps, 0, 'an undisturbed feed has no gap');
    const fetchedByThen = feed.stats.fetchedChanges;
    assert.equal(fetchedByThen, Math.floor(journal.seq / 7), 'only the references were fetched');

    way.cut();
    await until('the edge notices', () => edge.status === 'disconnected');
    work(500, true);
    way.mend();
    work(100, true);
    await until('what it missed', caughtUp);
    check();

    way.cut();
    await nats.restart();
    await until('the publisher is back', () => store.status === 'connected');
    work(300, true);
    assert.equal((await store.flush(5_000)).ok, true);
    assert.equal(edge.status, 'disconnected', 'the edge comes later');
    way.mend();
    await until('what it missed over the restart', caughtUp);
    work(50, true);
    await until('what came after', caughtUp);
    check();
    assert.ok(feed.stats.rangeFetches > 0 && feed.stats.lost === 0, JSON.stringify(feed.stats));
  } finally {
    clearInterval(beat);
    feed.close();
    await edge.close();
    await store.close();
  }
});

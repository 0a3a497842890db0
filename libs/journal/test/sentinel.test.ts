/** A primary that Sentinels know by name: the connection goes over to the next one by itself. */
import { test } from 'node:test';
import { connectRedis } from '@polyedge/journal/redis';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startSentinel } from '@polyedge/testkit/servers/sentinel';
import { until } from '@polyedge/testkit/until';

test('a connection through Sentinels writes to the primary, and to the next one after a failover', async () => {
  await using primary = await startRedis();
  await using replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
  await using sentinel = await startSentinel({ name: 'the-primary', primary: primary.port, quorum: 1 });
  await using parts = new AsyncDisposableStack();
  const connected = (url: string) => {
    const client = connectRedis({ url, name: 'test', onError: () => {} });
    parts.defer(() => client.disconnect());
    return client;
  };
  // An address of no one comes first: the next one is asked.
  const client = connected(`redis://the-primary?sentinel=127.0.0.1:1&sentinel=127.0.0.1:${sentinel.port}`);
  const direct = connected(replica.url);
  await until('the first write', async () => (await client.set('key', 'before')) === 'OK', { mayThrow: true });
  await until('the replica has it', async () => (await direct.get('key')) === 'before', { mayThrow: true });
  const watcher = connected(sentinel.url);
  await until('the failover is begun', async () => (await watcher.call('sentinel', 'failover', 'the-primary')) === 'OK', {
    mayThrow: true,
  });
  await until(
    'a write reaches the next primary',
    async () => {
      await client.set('key', 'after');
      return (await direct.info('replication')).includes('role:master') && (await direct.get('key')) === 'after';
    },
    { mayThrow: true },
  );
});

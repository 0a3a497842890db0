/** The hot journal in the form for programs without partitions: all changes in one stream, of Redis or of JetStream. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Redis } from 'ioredis';

async function logs(redis: Redis): Promise<string[]> {
  return (await redis.keys('{pe:*}:log.*')).sort();
}

/** Waits until Redis has this many changes. */
export async function untilAppended(redis: Redis, changes: number, waitMs: number): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const lengths = await Promise.all((await logs(redis)).map((key) => redis.xlen(key)));
    if (lengths.reduce((sum, length) => sum + length, 0) >= changes) return;
    if (Date.now() > deadline) throw new Error('Redis did not get all changes');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Copies all partitions into one stream, in the order of seq. Returns its name. */
export async function copyToOneStream(redis: Redis): Promise<string> {
  const entries = await entriesOf(redis);
  for (let at = 0; at < entries.length; at += 1000) {
    const pipeline = redis.pipeline();
    for (const { seq, fields } of entries.slice(at, at + 1000)) pipeline.xadd('bench:all', `${seq}-0`, ...fields);
    await pipeline.exec();
  }
  return 'bench:all';
}

/** Copies the changes of all partitions into a stream of JetStream, in the order of seq. Returns its name. */
export async function copyToJetStream(redis: Redis, nats: NatsConnection): Promise<string> {
  const manager = await jetstreamManager(nats);
  await manager.streams.add({ name: 'BENCH', subjects: ['bench'] });
  const client = jetstream(nats);
  const entries = await entriesOf(redis);
  for (let at = 0; at < entries.length; at += 500) {
    await Promise.all(entries.slice(at, at + 500).map(({ fields }) => client.publish('bench', fields[3] ?? '')));
  }
  return 'BENCH';
}

/** All changes, in the order of seq. */
async function entriesOf(redis: Redis): Promise<{ readonly seq: number; readonly fields: string[] }[]> {
  const entries: { readonly seq: number; readonly fields: string[] }[] = [];
  for (const log of await logs(redis)) {
    let from = '-';
    for (;;) {
      const page = await redis.xrange(log, from, '+', 'COUNT', 1000);
      if (page.length === 0) break;
      for (const [id, fields] of page) entries.push({ seq: Number.parseInt(id, 10), fields });
      from = `(${page.at(-1)?.[0] ?? ''}`;
    }
  }
  return entries.sort((one, other) => one.seq - other.seq);
}

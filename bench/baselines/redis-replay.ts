// Reads a stream of Redis as a bare program would: through a consumer group with XREADGROUP and XACK, or with XRANGE. Answers { seconds }.
import { Redis } from 'ioredis';

export interface ReplayQuestion {
  readonly how: 'xreadgroup' | 'xrange';
  readonly stream: string;
  readonly count: number;
}

export interface ReplayAnswer {
  readonly seconds: number;
  readonly read: number;
}

const PAGE = 500;
const redis = new Redis(process.argv[2] ?? '', { protocol: 2 });
let groups = 0;

async function readGroup({ stream, count }: ReplayQuestion): Promise<number> {
  groups += 1;
  const group = `bare-${process.pid}-${groups}`;
  await redis.xgroup('CREATE', stream, group, '0');
  let read = 0;
  while (read < count) {
    const answer = (await redis.xreadgroup('GROUP', group, 'one', 'COUNT', PAGE, 'STREAMS', stream, '>')) as
      | [string, [string, string[]][]][]
      | null;
    const entries = answer?.[0]?.[1] ?? [];
    if (entries.length === 0) break;
    read += entries.length;
    await redis.xack(stream, group, ...entries.map(([id]) => id));
  }
  await redis.xgroup('DESTROY', stream, group);
  return read;
}

async function readRange({ stream, count }: ReplayQuestion): Promise<number> {
  let read = 0;
  let from = '-';
  while (read < count) {
    const entries = await redis.xrange(stream, from, '+', 'COUNT', PAGE);
    if (entries.length === 0) break;
    read += entries.length;
    from = `(${entries.at(-1)?.[0] ?? ''}`;
  }
  return read;
}

process.on('message', async (question: ReplayQuestion) => {
  const began = performance.now();
  const read = question.how === 'xrange' ? await readRange(question) : await readGroup(question);
  process.send?.({ seconds: (performance.now() - began) / 1000, read } satisfies ReplayAnswer);
});
process.send?.({ ready: true });

/**
 * A bare PostgreSQL client that consumes from a level: one transaction with `select … for update` and `update`, with the isolation that
 * graph-store uses. It keeps no history and publishes nothing.
 * Takes `{ connections, ms }`: the number of connections, each with its own rows. Arguments: the URL of an empty database.
 */
import postgres from 'postgres';
import { Latencies } from '../lib/statistics.ts';

export interface ConsumeQuestion {
  readonly connections: number;
  readonly ms: number;
}

export interface ConsumeAnswer {
  readonly done: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const LIMIT = 1_000_000_000;
const ROWS = 64;

const [url = ''] = process.argv.slice(2);
const sql = postgres(url, { max: 8 });
await sql`create table level (id integer primary key, consumed double precision not null)`;
await sql`insert into level select generate_series(0, ${ROWS - 1}), 0`;

async function run({ connections, ms }: ConsumeQuestion): Promise<ConsumeAnswer> {
  const latencies = new Latencies();
  const began = performance.now();
  const until = began + ms;
  const one = async (connection: number): Promise<void> => {
    for (let now = performance.now(), turn = 0; now < until; turn += 1) {
      const id = (connection + connections * turn) % ROWS;
      await sql.begin('isolation level read committed', async (transaction) => {
        const [row] = await transaction<{ consumed: number }[]>`select consumed from level where id = ${id} for update`;
        if ((row?.consumed ?? LIMIT) < LIMIT) await transaction`update level set consumed = consumed + 1 where id = ${id}`;
      });
      const after = performance.now();
      latencies.add(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, at) => one(at)));
  const seconds = (performance.now() - began) / 1000;
  return { done: latencies.count, seconds, p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) };
}

process.on('message', (question: ConsumeQuestion) => void run(question).then((answer) => process.send?.(answer)));
process.send?.({ ready: true });

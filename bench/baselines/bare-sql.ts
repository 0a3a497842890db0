/**
 * A bare PostgreSQL client that writes the same rows as graph-store: element, journal, operation and sequencer, with graph-store's own tables,
 * indexes and statement, over `postgres`. It keeps no order among clients, has no retries, publishes nothing and does not validate.
 * Takes `{ connections, rows, ms }`: the number of connections, each committing transactions of `rows` writes one after the other.
 * Arguments: the URL of an empty database.
 */
import { createHash, hash, randomBytes } from 'node:crypto';
import { operationId, operationTime } from '@polyedge/contracts/operation-id';
import { type Connection, connect, WRITER_SESSION } from '../../services/graph-store/src/postgres/connect.ts';
import { Link } from '../../services/graph-store/src/postgres/link.ts';
import { migrate } from '../../services/graph-store/src/postgres/migrate.ts';
import { dayOf, keepPartitions } from '../../services/graph-store/src/postgres/partitions.ts';
import { WRITE } from '../../services/graph-store/src/postgres/write.ts';
import { Latencies } from '../lib/statistics.ts';

export interface BareQuestion {
  readonly connections: number;
  readonly rows: number;
  readonly ms: number;
  readonly text: string;
}

export interface BareAnswer {
  readonly done: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const links: Link[] = [];

interface Stored {
  readonly id: string;
  version: number;
}

const [url = ''] = process.argv.slice(2);
const sql = connect({ url, name: 'bare', max: 8, session: WRITER_SESSION });
await sql.begin((transaction) => migrate(transaction, 16));
await keepPartitions(sql, Date.now(), undefined);

/** The writes of one connection: every second write updates an element that an earlier transaction of the connection created. */
interface Writer {
  turn: number;
  readonly created: Stored[];
}

async function commit(connection: Connection, rows: number, writer: Writer, text: string): Promise<void> {
  const changes: object[] = [];
  const remembered: object[] = [];
  const updated: string[] = [];
  const fresh: Stored[] = [];
  const now = Date.now();
  for (let at = 0; at < rows; at += 1) {
    writer.turn += 1;
    const previous = writer.turn % 2 === 0 ? writer.created.pop() : undefined;
    const element = previous ?? { id: `v_${randomBytes(12).toString('hex')}`, version: 0 };
    element.version += 1;
    if (previous === undefined) fresh.push(element);
    else updated.push(element.id);
    const id = operationId(now, randomBytes(10));
    const isNew = previous === undefined;
    changes.push({
      ...{ n: at + 1, final: true, stored: !isNew, slot: hash('sha256', element.id, 'buffer').readUInt16BE(0) % 256, tenant: 'default' },
      ...{
        element: element.id,
        kind: 'vertex',
        type: 'ogit/Bench',
        scope: 'default',
        attributes: { 'ogit/name': text },
        version: element.version,
      },
      ...{
        created_on: now,
        created_by: 'bench',
        created_app: 'bench',
        modified_on: now,
        modified_by: 'bench',
        modified_app: 'bench',
        deleted: false,
      },
      ...{
        unique_names: [],
        owners: [element.id],
        action: isNew ? 'create' : 'update',
        undo: isNew ? {} : { set: { 'ogit/name': text } },
        seq_before: 0,
      },
      ...{ protocol: 'hiro', way: 'socket', operation: isNew ? 'create' : 'update', operation_id: id, first: -(at + 1), last: -(at + 1) },
    });
    const reply = { first: -(at + 1), last: -(at + 1), operations: [{ elements: [-(at + 1)] }] };
    remembered.push({ day: dayOf(operationTime(id)), id, hash: createHash('sha256').update(id).digest('base64'), reply });
  }
  const work: Promise<unknown>[] = [connection.unsafe('begin', [], { prepare: true }).execute()];
  if (updated.length > 0) {
    const lock = `select e.id from (select value collate "C" as id from json_array_elements_text($1::json) order by 1) w
      cross join lateral (select id from element e where e.tenant = 'default' and e.id = w.id for update of e) e`;
    work.push(connection.unsafe(lock, [JSON.stringify(updated)], { prepare: true }).execute());
  }
  work.push(
    connection
      .unsafe(WRITE, [JSON.stringify(changes), String(rows), JSON.stringify(remembered), '0', 'null', 'null'], { prepare: true })
      .execute(),
  );
  work.push(connection.unsafe('commit', [], { prepare: true }).execute());
  await Promise.all(work);
  writer.created.push(...fresh);
}

async function run({ connections, rows, ms, text }: BareQuestion): Promise<BareAnswer> {
  const latencies = new Latencies();
  const began = performance.now();
  const until = began + ms;
  let done = 0;
  const one = async () => {
    const link = await Link.open({ url, name: 'bare', session: WRITER_SESSION });
    const { connection } = link;
    const writer: Writer = { turn: 0, created: [] };
    for (let now = performance.now(); now < until; ) {
      await commit(connection, rows, writer, text);
      const after = performance.now();
      done += rows;
      latencies.add(after - now);
      now = after;
    }
    links.push(link);
  };
  // What a backend has used can be read while it runs: those of the last question end with the next.
  for (const link of links.splice(0)) link.end();
  await Promise.all(Array.from({ length: connections }, one));
  return { done, seconds: (performance.now() - began) / 1000, p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) };
}

process.on('message', (question: BareQuestion) => void run(question).then((answer) => process.send?.(answer)));
process.send?.({ ready: true });

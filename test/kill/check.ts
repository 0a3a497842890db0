/** Checks the guarantees by comparing what clients received with the contents of PostgreSQL and Redis. Each function returns the problems. */
import { isDeepStrictEqual } from 'node:util';
import { MAIN } from '@polyedge/contracts/journal';
import { HotJournal } from '@polyedge/journal/hot-journal';
import { keyedEpoch, logKey } from '@polyedge/journal/keys';
import { connectRedis, type Redis } from '@polyedge/journal/redis';
import type { JournalRow, Truth } from './journal.ts';
import { COUNTERS, TENANT, type Told } from './writer.ts';

/** Guarantees 1 and 2: acknowledged writes exist, once; rejected ones do not. Guarantee 3: a writer's writes took effect in order. */
export function checkWrites({ rows, elements }: Truth, told: readonly Told[], tenant = TENANT): string[] {
  const problems: string[] = [];
  const byOperation = new Map<string, JournalRow[]>();
  for (const row of rows) byOperation.set(row.operationId, [...(byOperation.get(row.operationId) ?? []), row]);
  const changesOf = { create: 1, note: 1, count: 1, connect: 3, delete: 2 };
  const lastOf = new Map<number, { n: number; seq: number }>();
  for (const write of told.toSorted((left, right) => left.writer - right.writer || left.n - right.n)) {
    const found = byOperation.get(write.operationId) ?? [];
    const name = `${write.what} ${write.n} of writer ${write.writer} (${write.operationId}, ${write.outcome} ${write.code ?? ''})`;
    if (write.outcome === 'refused') {
      if (found.length > 0) problems.push(`${name} is in the journal at ${found[0]?.seq}`);
      if (write.code !== 'busy' && write.code !== 'expired') problems.push(`${name} had no reason to be refused`);
      continue;
    }
    if (found.length === 0) {
      if (write.outcome === 'done') problems.push(`${name} is lost; it was acknowledged at ${write.first}`);
      continue;
    }
    if (found.length !== changesOf[write.what]) problems.push(`${name} has ${found.length} changes`);
    const [first] = found;
    const end = found.at(-1);
    if (first === undefined || end === undefined) continue;
    if (write.outcome === 'done' && (first.seq !== write.first || end.seq !== write.last || end.seq - first.seq !== found.length - 1)) {
      problems.push(`${name} is at ${first.seq}…${end.seq}, it was told ${write.first}…${write.last}`);
    }
    const before = lastOf.get(write.writer);
    if (before !== undefined && before.seq > first.seq)
      problems.push(`${name} took effect at ${first.seq}, before write ${before.n} at ${before.seq}`);
    lastOf.set(write.writer, { n: write.n, seq: end.seq });
  }
  for (const counter of COUNTERS) {
    const acknowledged = told.filter((write) => write.counter === counter && write.outcome === 'done').length;
    const possible = told.filter((write) => write.counter === counter && write.outcome !== 'refused').length;
    const counted = rows.filter(({ id }) => id === counter).length;
    const value = (elements.get(`${tenant}/${counter}`)?.attributes as { value?: number } | undefined)?.value ?? 0;
    if (value !== counted || counted < acknowledged || counted > possible)
      problems.push(`${counter} is ${value} after ${counted} changes, ${acknowledged} acknowledged of ${possible}`);
  }
  return problems;
}

/** Guarantee 3: seqs are dense, versions are consecutive, and the elements match the journal. */
export function checkJournal({ seq, rows, elements }: Truth): string[] {
  const problems: string[] = [];
  if (rows.length !== seq) problems.push(`the journal has ${rows.length} rows, the sequencer says ${seq}`);
  const newest = new Map<string, JournalRow>();
  for (const [index, row] of rows.entries()) {
    if (row.seq !== index + 1) {
      problems.push(`row ${index + 1} of the journal has seq ${row.seq}`);
      break;
    }
    if (row.seq < row.first || row.seq > row.last) problems.push(`change ${row.seq} says its request is ${row.first}…${row.last}`);
    const key = `${row.tenant}/${row.id}`;
    const version = newest.get(key)?.version ?? 0;
    if (row.version !== version + 1) problems.push(`change ${row.seq} makes version ${row.version} of ${key} after ${version}`);
    newest.set(key, row);
  }
  for (const [key, row] of newest) {
    const element = elements.get(key);
    if (
      element?.seq !== row.seq ||
      element.version !== row.version ||
      element.deleted !== row.deleted ||
      !isDeepStrictEqual(element.attributes, row.attributes)
    )
      problems.push(`${key} is not as change ${row.seq} left it`);
  }
  if (newest.size !== elements.size) problems.push(`${elements.size} elements, ${newest.size} in the journal`);
  return problems;
}

/** Redis holds the same journal: every change once, in order, each entry naming the one before it. Waits until Redis has caught up. */
export async function checkRedis(
  url: string,
  { epoch, seq, partitions, rows }: Truth,
  withinMs = 20_000,
  journal = MAIN,
): Promise<string[]> {
  const redis = connectRedis({ url, name: 'kill-check', onError: () => {} });
  try {
    const deadline = performance.now() + withinMs;
    const hot = new HotJournal(redis, epoch, journal);
    let problems: string[];
    do {
      await new Promise((resolve) => setTimeout(resolve, 100));
      problems = [];
      try {
        for (let partition = 0; partition < partitions; partition += 1)
          problems.push(...(await checkPartition(redis, hot, partition, journal, { partitions, rows })));
      } catch (error) {
        problems = [`Redis cannot be read: ${error instanceof Error ? error.message : String(error)}`];
      }
    } while (problems.length > 0 && performance.now() < deadline);
    if (problems.length > 5) problems.splice(5, Number.POSITIVE_INFINITY, `… at seq ${seq}`);
    return problems;
  } finally {
    redis.disconnect();
  }
}

async function checkPartition(
  redis: Redis,
  hot: HotJournal,
  partition: number,
  journal: string,
  { partitions, rows }: Pick<Truth, 'partitions' | 'rows'>,
): Promise<string[]> {
  const expected = rows.filter(({ slot, scope }) => slot % partitions === partition && scope !== 'system');
  const { generation, last } = await hot.state(partition);
  let previous = 0;
  let at = 0;
  for (;;) {
    const entries = await redis.xrange(logKey(keyedEpoch(journal, hot.epoch), partition, generation), `(${previous}-0`, '+', 'COUNT', 1000);
    if (entries.length === 0) break;
    for (const [id, [, prevText, , json = '']] of entries) {
      const [seq, prev] = [Number(id.split('-')[0]), Number(prevText)];
      const row = expected[at];
      if (prev !== previous) return [`entry ${seq} of partition ${partition} follows ${previous} and says it follows ${prev}`];
      if (row?.seq !== seq) return [`partition ${partition} has ${seq} in place of ${row?.seq}`];
      const change = JSON.parse(json) as { seq: number; operationId: string; state: { attributes: unknown } };
      if (change.seq !== seq || change.operationId !== row.operationId || !isDeepStrictEqual(change.state.attributes, row.attributes))
        return [`entry ${seq} of partition ${partition} is another change than in PostgreSQL`];
      previous = seq;
      at += 1;
    }
  }
  if (at !== expected.length) return [`partition ${partition} ends at ${previous}, ${expected.length - at} changes are missing`];
  return last === previous ? [] : [`partition ${partition} says it ends at ${last}, it ends at ${previous}`];
}

/** Copies blobs: first all, then those written since. Blobs only grow, so existing chunks are not copied again. */
import { type Progress, progressed } from './arrival.ts';
import { type Move, only } from './parties.ts';

const PAGE = 100;
/** Chunks of a blob per transaction; each has at most 256 KiB. */
const CHUNKS = 8;
/** Longer than a transaction that writes a blob can last. */
const OVERLAP = '60 seconds';

interface Content {
  readonly id: string;
  readonly chunks: number;
  readonly row: string;
}

/** @returns the progress: the next call skips what was written before it */
export async function copyContents(move: Move, progress: Progress): Promise<Progress> {
  const { tenant, from, to } = move;
  const { until } = only(
    await from.run((sql) => sql<{ until: string }[]>`select (clock_timestamp() - ${OVERLAP}::text::interval)::text as until`),
  );
  for (let after = ''; ; ) {
    const contents = await from.run(
      (sql) => sql<Content[]>`
        select id, chunks, to_json(c)::text as row from content c
        where tenant = ${tenant} and id > ${after} and touched_on >= ${progress.contents ?? '-infinity'}::text::timestamptz order by id limit ${PAGE}`,
    );
    for (const content of contents) await copyContent(move, content);
    const last = contents.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  const next = { ...progress, contents: until };
  await to.transact((sql) => progressed(sql, move, next));
  return next;
}

async function copyContent({ tenant, from, to }: Move, { id, chunks, row }: Content): Promise<void> {
  // It counts as incomplete until all chunks are there.
  const known = await to.transact(async (sql) => {
    await sql`
      insert into content (tenant, id, size, chunks, complete, media_type, touched_on)
      select tenant, id, size, 0, false, media_type, touched_on from json_populate_record(null::content, ${row}::text::json)
      on conflict (tenant, id) do nothing`;
    return only(
      await sql<{ next: number }[]>`select coalesce(max(index) + 1, 0) as next from chunk where tenant = ${tenant} and content = ${id}`,
    ).next;
  });
  for (let next = known; next < chunks; next += CHUNKS) {
    const read = await from.run(
      (sql) => sql<{ index: number; data: string }[]>`
        select index, encode(data, 'base64') as data from chunk
        where tenant = ${tenant} and content = ${id} and index >= ${next} and index < ${next + CHUNKS} order by index`,
    );
    await to.transact(async (sql) => {
      for (const { index, data } of read)
        await sql`insert into chunk (tenant, content, index, data) values (${tenant}, ${id}, ${index}, decode(${data}, 'base64')) on conflict do nothing`;
    });
  }
  await to.transact(
    (sql) => sql`
      update content c set size = w.size, chunks = w.chunks, complete = w.complete, media_type = w.media_type, used = w.used, touched_on = w.touched_on
      from json_populate_record(null::content, ${row}::text::json) w where c.tenant = w.tenant and c.id = w.id`,
  );
}

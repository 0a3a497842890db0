/** Blobs as rows of 256 KiB. Unreferenced blobs are deleted by a sweep. */
import { CHUNK_BYTES, type graphReadChunk, type graphWriteChunk } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Queries } from './pool.ts';
import { readFailure } from './read.ts';
import { enterTenant, refusalOf } from './tenants-elsewhere.ts';
import type { Transactions } from './transactions.ts';

/** How long a blob may be unreferenced. */
const UNREFERENCED = '1 hour';

export class Blobs {
  readonly #sql: Queries;
  readonly #transactions: Transactions;
  readonly #maxBytes: number;

  constructor(sql: Queries, transactions: Transactions, maxBytes: number) {
    this.#sql = sql;
    this.#transactions = transactions;
    this.#maxBytes = maxBytes;
  }

  /** Chunks must arrive in order; writing the same one again has no effect, so callers may retry. */
  async writeChunk(
    tenant: string,
    { content, index, data, last, mediaType }: RequestOf<typeof graphWriteChunk>,
    deadline: number,
  ): Promise<Outcome<ReplyOf<typeof graphWriteChunk>>> {
    const bytes = Buffer.from(data, 'base64');
    if (bytes.length > CHUNK_BYTES || (!last && bytes.length !== CHUNK_BYTES))
      return failed('invalid', `every chunk but the last has ${CHUNK_BYTES} bytes`);
    try {
      return await this.#transactions.transact(async (sql): Promise<Outcome<{ size: number }>> => {
        const refused = await enterTenant(sql, tenant);
        if (refused !== undefined) return refused;
        if (index === 0) {
          await sql`insert into content (tenant, id, size, chunks, complete, media_type) values (${tenant}, ${content}, 0, 0, false, ${mediaType}) on conflict do nothing`;
        }
        const [known] = await sql<{ size: number; chunks: number; complete: boolean }[]>`
          select size, chunks, complete from content where tenant = ${tenant} and id = ${content} for update`;
        if (known === undefined || index > known.chunks) return failed('conflict', 'the chunks before it are missing');
        if (index < known.chunks) return done({ size: known.size });
        if (known.complete) return failed('conflict', 'the content is complete');
        const size = known.size + bytes.length;
        if (size > this.#maxBytes) return failed('too-large', `content has at most ${this.#maxBytes} bytes`);
        await sql`insert into chunk (tenant, content, index, data) values (${tenant}, ${content}, ${index}, ${bytes})`;
        await sql`update content set size = ${size}, chunks = ${index + 1}, complete = ${last}, touched_on = now() where tenant = ${tenant} and id = ${content}`;
        return done({ size });
      }, deadline);
    } catch (error) {
      return readFailure(error);
    }
  }

  async readChunk(
    tenant: string,
    { content, index }: RequestOf<typeof graphReadChunk>,
    deadline: number,
  ): Promise<Outcome<ReplyOf<typeof graphReadChunk>>> {
    try {
      const sql = this.#sql.before(deadline);
      const [row] = await sql<{ data: Buffer; size: number; chunks: number; media_type: string }[]>`
        select data, size, chunks, media_type from content c join chunk k on k.tenant = c.tenant and k.content = c.id
        where c.tenant = ${tenant} and c.id = ${content} and c.complete and k.index = ${index}
          and not exists (select from away a where a.tenant = c.tenant and a.until is null)`;
      if (row === undefined) return (await refusalOf(sql, tenant)) ?? failed('not-found');
      return done({ data: row.data.toString('base64'), size: row.size, chunks: row.chunks, mediaType: row.media_type });
    } catch (error) {
      return readFailure(error);
    }
  }

  /** Deletes blobs that no element has referenced in time. */
  async sweep(): Promise<void> {
    await this.#sql`delete from content where not used and touched_on < now() - ${UNREFERENCED}::interval`;
  }
}

/** Progress of a tenant's move: a row in the target journal, updated in the same transaction as the copied data. */
import type { Connection } from '../postgres/connect.ts';
import { LOCK } from '../postgres/locks.ts';
import { hasData } from './fence.ts';
import { CannotPlace, type Move, only, Superseded } from './parties.ts';

/** Progress of copying tables without seqs. */
export interface Progress {
  /** Elements whose last change the source has deleted: the last id copied; null when complete. */
  readonly elements?: string | null;
  /** Values of series up to `to`: the last one copied; null when complete. */
  readonly series?: { readonly to: number; readonly after: SeriesPlace | null };
  /** Blobs written before this time of the source were copied. */
  readonly contents?: string;
  /** The newest change of the source when this was last updated, for progress reports. */
  readonly head?: number;
}

export interface SeriesPlace {
  readonly element: string;
  readonly at: number;
  readonly written: number;
}

export interface Arrival {
  readonly copied: number;
  readonly progress: Progress;
}

/**
 * Creates the row, or takes over that of an earlier run. From now on the source keeps its changes for the move, and the target refuses the
 * tenant until it has arrived. Throws `CannotPlace` if the target has data of the tenant that no move copied, or if the source has a new
 * epoch.
 */
export async function beginArrival(move: Move): Promise<Arrival> {
  const { tenant, source, target, from, to, run } = move;
  const { epoch, before } = await from.transact(async (sql) => {
    const versions = await migrationsOf(sql);
    if (versions !== (await to.run(migrationsOf)))
      throw new CannotPlace(`the journals ${source} and ${target} are of different versions: prepare both with this one first`);
    await sql`insert into departure (tenant, journal, copied) values (${tenant}, ${target}, 0) on conflict do nothing`;
    const departs = only(await sql<{ journal: string }[]>`select journal from departure where tenant = ${tenant}`);
    if (departs.journal !== target)
      throw new CannotPlace(
        `a move of ${tenant} to ${departs.journal} has begun: continue it, or undo it with "tenants move ${tenant} --to ${source}"`,
      );
    // Retention may have decided what to delete before the row existed.
    return only(
      await sql<{ epoch: string; before: number }[]>`
        select epoch, coalesce((select seq from journal order by seq limit 1), seq + 1) - 1 as before from sequencer`,
    );
  });
  return await to.transact(async (sql) => {
    const [begun] = await sql<{ source: string; source_epoch: string; copied: number; progress: Progress }[]>`
      select source, source_epoch, copied, progress from arrival where tenant = ${tenant} for update`;
    if (begun !== undefined) {
      if (begun.source !== source || begun.source_epoch !== epoch)
        throw new CannotPlace(
          `the journal ${begun.source} has begun another history since the move began: undo it with "tenants move ${tenant} --to ${source}", then begin again`,
        );
      await sql`update arrival set mover = ${run}, complete = false where tenant = ${tenant}`;
      return begun;
    }
    await sql`select pg_advisory_xact_lock(${LOCK.batch})`;
    if (await hasData(sql, tenant)) throw new CannotPlace(`the journal ${target} has data of a tenant ${tenant}`);
    await sql`insert into away (tenant, journal) values (${tenant}, ${source}) on conflict (tenant) do update set journal = excluded.journal, until = null`;
    await sql`delete from arrival_seq where tenant = ${tenant}`;
    await sql`
      insert into arrival (tenant, source, source_epoch, mover, copied, floor)
      select ${tenant}, ${source}, ${epoch}, ${run}, ${before}, seq from sequencer`;
    return { copied: before, progress: {} };
  });
}

const migrationsOf = async (sql: Connection): Promise<string> =>
  only(await sql<{ numbers: string }[]>`select string_agg(number::text, ',' order by number) as numbers from migration`).numbers;

/** Records progress in the same transaction as the copied data. Throws `Superseded`. */
export async function progressed(sql: Connection, { tenant, run }: Move, progress: Progress): Promise<void> {
  const { count } = await sql`
    update arrival set progress = ${JSON.stringify(progress)}::text::json, complete = false where tenant = ${tenant} and mover = ${run}`;
  if (count !== 1) throw superseded(tenant);
}

export const superseded = (tenant: string): Superseded => new Superseded(`another run has taken over the move of ${tenant}`);

/** Lets the source delete changes that were copied, and records the total in the target. */
export async function keepFrom({ tenant, run, from, to }: Move, copied: number, head: number): Promise<void> {
  await from.run((sql) => sql`update departure set copied = ${copied} where tenant = ${tenant} and decided_by is null`);
  await to.run(
    (sql) => sql`
      update arrival set progress = (progress::jsonb || jsonb_build_object('head', ${head}::bigint))::json where tenant = ${tenant} and mover = ${run}`,
  );
}

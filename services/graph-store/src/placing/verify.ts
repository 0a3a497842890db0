/** Compares copied data with its source while the source is being written: elements that have changed since are excluded on both sides. */
import type { Connection } from '../postgres/connect.ts';
import type { Arrival } from './arrival.ts';
import { CannotPlace, type Move, only } from './parties.ts';

/** The number of rows and the sum of their checksums; both are independent of their order. */
interface Sum {
  readonly rows: number;
  readonly sum: string;
}

const sumOf = (text: string, from: string): string =>
  `select count(*) as rows, coalesce(sum(hashtextextended(${text}, 0)), 0)::text as sum from ${from}`;

const CHANGED = `(select value collate "C" from json_array_elements_text($2::text::json))`;
/** By kind of data. Includes everything except seqs and write numbers, which differ. */
const SUMS: Readonly<Record<string, string>> = {
  elements: sumOf(`(to_jsonb(e) - 'seq')::text`, `element e where tenant = $1 and id not in ${CHANGED}`),
  'unique keys': sumOf(`name || ' ' || value || ' ' || element`, `unique_key where tenant = $1 and element not in ${CHANGED}`),
  values: sumOf(
    `at || ' ' || current || ' ' || element || value::text`,
    `series_value where tenant = $1 and (expires_on is null or expires_on > $3::bigint) and element not in ${CHANGED}`,
  ),
};

/** Throws `CannotPlace` that names the difference. */
export async function verify({ tenant, from, to }: Move, { copied }: Pick<Arrival, 'copied'>): Promise<void> {
  const { changed, expiry, sums, changes } = await from.run(async (sql) => {
    await sql`begin isolation level repeatable read read only`;
    const ids = only(
      await sql<{ ids: string }[]>`
        select coalesce(json_agg(distinct element), '[]')::text as ids from journal where tenant = ${tenant} and seq > ${copied}`,
    ).ids;
    // A value that expires meanwhile may be deleted on one side only.
    const until = String(Date.now() + 600_000);
    const kept = only(
      await sql<{ count: number }[]>`select count(*) as count from journal where tenant = ${tenant} and seq <= ${copied}`,
    ).count;
    const found = await sumsIn(sql, tenant, ids, until);
    await sql`commit`;
    return { changed: ids, expiry: until, sums: found, changes: kept };
  });
  const [copies, numbers] = await to.run(async (sql) => [
    await sumsIn(sql, tenant, changed, expiry),
    only(await sql<{ count: number }[]>`select count(*) as count from arrival_seq where tenant = ${tenant} and was <= ${copied}`).count,
  ]);
  for (const [what, { rows, sum }] of sums) {
    const copy = copies.get(what);
    if (copy?.rows !== rows || copy.sum !== sum)
      throw new CannotPlace(`the copy differs from its source: ${rows} ${what} (checksum ${sum}), copied ${copy?.rows} (${copy?.sum})`);
  }
  // Changes that retention has deleted since were copied before.
  if (numbers < changes) throw new CannotPlace(`the copy has ${numbers} of ${changes} changes`);
}

async function sumsIn(sql: Connection, tenant: string, changed: string, expiry: string): Promise<ReadonlyMap<string, Sum>> {
  const found = new Map<string, Sum>();
  for (const [what, text] of Object.entries(SUMS))
    found.set(what, only(await sql.unsafe<Sum[]>(text, text.includes('$3') ? [tenant, changed, expiry] : [tenant, changed])));
  return found;
}

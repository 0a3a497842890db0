/**
 * Deletes a tenant from a journal that it has left, or to which its move was cancelled: in small transactions, repeated from the beginning
 * if interrupted. Changes keep their seqs, which are dense, but lose their tenant and contents.
 */
import { ACCOUNT_TYPE } from '../core/account-vertex.ts';
import type { Transactions } from '../postgres/transactions.ts';
import { only } from './parties.ts';

const ROWS = 500;

/** Deletes rows of a table page by page in the order of its key, so that none is scanned twice. */
const pagesOf = (table: string, key: string): string => `
  with page as materialized (
    select ${key} from ${table} where tenant = $1 and ($2::text = '' or (${key}) > (select ${key} from json_populate_record(null::${table}, $2::text::json)))
    order by ${key} limit ${ROWS}),
  gone as (delete from ${table} where tenant = $1 and (${key}) in (select ${key} from page))
  select (json_agg(to_json(page)) -> -1)::text as last from page`;

// Readers skip changes of the system tenant. Copies of the journal compare the operation and element of its last entry, so these stay.
const BLANK = `
  with page as materialized (
    select element, seq from journal
    where tenant = $1 and ($2::text = '' or (element, seq) > (select element, seq from json_populate_record(null::journal, $2::text::json)))
    order by element, seq limit ${ROWS}),
  gone as (
    update journal set tenant = '', scope = 'system', type = '', xid = null, attributes = '{}', undo = '{"set":{},"unset":[],"version":0,"deleted":false}',
      created_by = '', created_app = '', modified_by = '', modified_app = '', out_id = null, in_id = null, out_type = null, in_type = null, owners = '{}'
    where seq in (select seq from page))
  select (json_agg(to_json(page)) -> -1)::text as last from page`;

const PAGES = [
  pagesOf('element', 'id'),
  pagesOf('unique_key', 'name, value'),
  pagesOf('series_value', 'element, at, written'),
  pagesOf('chunk', 'content, index'),
  pagesOf('content', 'id'),
  BLANK,
];

/** @param accounts whether to delete the copies of its accounts; the directory keeps the originals */
export async function removeTenant(journal: Transactions, tenant: string, accounts: boolean): Promise<void> {
  for (const page of PAGES) await eachPage(journal, page, tenant);
  await journal.run((sql) => sql`delete from consumer_group where tenant = ${tenant}`);
  await deleteTranslatedSeqs(journal, tenant);
  if (accounts)
    await journal.run(
      (sql) => sql`delete from element where tenant = 'system' and type = ${ACCOUNT_TYPE} and attributes ->> 'tenant' = ${tenant}`,
    );
  await journal.run((sql) => sql`delete from departure where tenant = ${tenant}`);
}

/** Deletes the table of translated seqs, which is no longer needed. */
export const deleteTranslatedSeqs = (journal: Transactions, tenant: string): Promise<void> =>
  eachPage(journal, pagesOf('arrival_seq', 'was'), tenant);

async function eachPage(journal: Transactions, page: string, tenant: string): Promise<void> {
  for (let last: string | null = ''; last !== null; ) {
    const values: string[] = [tenant, last];
    last = only(await journal.run((sql) => sql.unsafe<{ last: string | null }[]>(page, values, { prepare: true }))).last;
  }
}

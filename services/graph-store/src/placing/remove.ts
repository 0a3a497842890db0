/**
 * Removes a tenant from a journal that it has left, or in which its move was undone: in small transactions, again from the beginning when it is
 * interrupted. Changes keep their numbers, which are dense, and lose their tenant and their contents.
 */
import { ACCOUNT_TYPE } from '../core/account-vertex.ts';
import type { Transactions } from '../postgres/transactions.ts';

const ROWS = 500;

const pages = [
  `delete from element where tenant = $1 and id in (select id from element where tenant = $1 limit ${ROWS})`,
  `delete from unique_key where tenant = $1 and (name, value) in (select name, value from unique_key where tenant = $1 limit ${ROWS})`,
  `delete from series_value where ctid in (select ctid from series_value where tenant = $1 limit ${ROWS})`,
  'delete from content where tenant = $1 and id in (select id from content where tenant = $1 limit 1)',
  'delete from consumer_group where tenant = $1',
  `delete from arrival_seq where tenant = $1 and was in (select was from arrival_seq where tenant = $1 limit ${10 * ROWS})`,
  // Readers pass over the system's changes. What ends a copy of the journal is recognized by its operation and element.
  `update journal set tenant = '', scope = 'system', type = '', xid = null, attributes = '{}', undo = '{"set":{},"unset":[],"version":0,"deleted":false}',
     created_by = '', created_app = '', modified_by = '', modified_app = '', out_id = null, in_id = null, out_type = null, in_type = null, owners = '{}'
   where seq in (select seq from journal where tenant = $1 limit ${ROWS})`,
];

/** @param accounts whether copies of its accounts are there, which the directory has */
export async function removeTenant(journal: Transactions, tenant: string, accounts: boolean): Promise<void> {
  for (const page of pages) {
    let count = 1;
    while (count > 0) count = (await journal.run((sql) => sql.unsafe(page, [tenant]))).count;
  }
  if (accounts)
    await journal.run(
      (sql) => sql`delete from element where tenant = 'system' and type = ${ACCOUNT_TYPE} and attributes ->> 'tenant' = ${tenant}`,
    );
  await journal.run((sql) => sql`delete from departure where tenant = ${tenant}`);
}

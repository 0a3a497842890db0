import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { settings } from './config.ts';
import { journalsOf } from './journals.ts';
import { connect, type Sql } from './postgres/connect.ts';
import { Transactions } from './postgres/transactions.ts';

/** A database of a journal, as its owner where the settings name one. */
interface OwnedDatabase {
  readonly name: string;
  readonly url: string;
}

/** `main` first. Settings that are not valid end the process with 2 and a line for each. */
function ownedDatabases(): readonly OwnedDatabase[] {
  const { databaseAdminUrl, journals, adminJournals } = settings;
  const read = readConfig('graph-store', { databaseUrl, databaseAdminUrl, journals, adminJournals }, process.env, settings);
  if (!read.ok) {
    for (const problem of read.problems) console.error(`graph-store: ${problem}`);
    process.exit(2);
  }
  return journalsOf(read.config).map(({ name, databaseUrl: url, databaseAdminUrl: owner }) => ({ name, url: owner ?? url }));
}

/**
 * Connects a command to the database of each journal, as its owner. Settings that are not valid end the process with 2. The connections end with `open`.
 * @param options.name how PostgreSQL names the connections; `max`: how many to each database
 * @returns the connections by the journal's name
 */
export function openDatabases(
  open: AsyncDisposableStack,
  { name: application, max }: { readonly name: string; readonly max: number },
): Map<string, Sql> {
  return new Map(
    ownedDatabases().map(({ name, url }) => {
      const sql = connect({ url, name: application, max });
      open.defer(() => sql.end({ timeout: 2 }));
      return [name, sql] as const;
    }),
  );
}

/**
 * A copy waits for what it asks; a process that stands still in a transaction holds nobody up for long. It reads by key: what PostgreSQL knows of
 * tables that are just being filled would make it read all of them for each piece.
 */
const MOVER_SESSION = { statement_timeout: '10min', idle_in_transaction_session_timeout: '10s', enable_seqscan: 'off', jit: 'off' };

/** The same, for transactions one after the other that outlive a broken connection; and one more to the database of `main`, for the directory. */
export function openTransactions(
  open: AsyncDisposableStack,
  name: string,
): { readonly directory: Transactions; readonly journals: ReadonlyMap<string, Transactions> } {
  const databases = ownedDatabases();
  const connectTo = (url: string): Transactions => {
    const transactions = new Transactions({ url, name, session: MOVER_SESSION });
    open.defer(() => transactions.end());
    return transactions;
  };
  return {
    directory: connectTo(databases[0]?.url ?? ''),
    journals: new Map(databases.map((database) => [database.name, connectTo(database.url)])),
  };
}

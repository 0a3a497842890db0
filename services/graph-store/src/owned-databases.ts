import { JournalRedis } from '@polyedge/journal/journal-redis';
import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { type Config, type Settings, url } from '@polyedge/service-kit/settings';
import { settings } from './config.ts';
import { journalsOf } from './journals.ts';
import { Transactions } from './postgres/transactions.ts';

/** The database of a journal, with the owner's URL if configured. */
interface OwnedDatabase {
  readonly name: string;
  readonly url: string;
}

/** For a command, which can do without. */
const redisUrl = url({
  env: 'REDIS_URL',
  schemes: ['redis', 'rediss'],
  optional: true,
  doc: 'The Redis server of the hot journal, as for graph-store. A move reads from it how far consumer groups are.',
});

/** `main` first. Invalid settings end the process with status 2 and a line for each mistake. */
function ownedDatabases(): readonly OwnedDatabase[] {
  const { databaseAdminUrl, journals, adminJournals } = settings;
  return journalsOf(configured({ databaseUrl, databaseAdminUrl, journals, adminJournals })).map(
    ({ name, databaseUrl: url, databaseAdminUrl: owner }) => ({ name, url: owner ?? url }),
  );
}

function configured<S extends Settings>(wanted: S): Config<S> {
  const read = readConfig('graph-store', wanted, process.env, settings);
  if (read.ok) return read.config;
  for (const problem of read.problems) console.error(`graph-store: ${problem}`);
  process.exit(2);
}

/**
 * Connects a command to the database of each journal, as its owner: sequential transactions on a connection that may break. Invalid settings
 * end the process with status 2. The connections close with `open`.
 * @param name the connections' name in PostgreSQL
 * @returns the connections by the journal's name
 */
export const openDatabases = (open: AsyncDisposableStack, name: string): ReadonlyMap<string, Transactions> =>
  new Map(ownedDatabases().map((database) => [database.name, connectTo(open, { url: database.url, name })]));

/**
 * Statements of a copy may take long, but a process suspended inside a transaction must not block others for long. Reads use keys: with
 * statistics of tables that are just being filled, the planner would scan all of them for each chunk.
 */
const MOVER_SESSION = { statement_timeout: '10min', idle_in_transaction_session_timeout: '10s', enable_seqscan: 'off', jit: 'off' };

/** The same for a move; plus a connection to the database of `main`, for the directory. */
export function openMoverDatabases(
  open: AsyncDisposableStack,
  name: string,
): { readonly directory: Transactions; readonly journals: ReadonlyMap<string, Transactions> } {
  const databases = ownedDatabases();
  const connected = (url: string): Transactions => connectTo(open, { url, name, session: MOVER_SESSION });
  return {
    directory: connected(databases[0]?.url ?? ''),
    journals: new Map(databases.map((database) => [database.name, connected(database.url)])),
  };
}

function connectTo(open: AsyncDisposableStack, options: ConstructorParameters<typeof Transactions>[0]): Transactions {
  const transactions = new Transactions(options);
  open.defer(() => transactions.end());
  return transactions;
}

/** The Redis of each journal; undefined if REDIS_URL is not set. Invalid settings end the process with status 2. It disconnects with `open`. */
export function openRedis(open: AsyncDisposableStack, name: string): JournalRedis | undefined {
  const { redisUrl: main, redisJournals } = configured({ redisUrl, redisJournals: settings.redisJournals });
  if (main === undefined) return undefined;
  const redis = new JournalRedis({ redisUrl: main, redisJournals }, name);
  open.defer(() => redis.disconnect());
  return redis;
}

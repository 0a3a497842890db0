import { databaseUrl } from '@polyedge/service-kit/common-settings';
import { readConfig } from '@polyedge/service-kit/config';
import { settings } from './config.ts';
import { journalsOf } from './journals.ts';
import { connect, type Sql } from './postgres/connect.ts';

/**
 * Connects a command to the database of each journal, as its owner where the settings name one. Settings that are not valid end the process with 2
 * and a line for each. The connections end with `open`.
 * @param options.name how PostgreSQL names the connections; `max`: how many to each database
 * @returns the connections by the journal's name
 */
export function openDatabases(
  open: AsyncDisposableStack,
  { name: application, max }: { readonly name: string; readonly max: number },
): Map<string, Sql> {
  const { databaseAdminUrl, journals, adminJournals } = settings;
  const read = readConfig('graph-store', { databaseUrl, databaseAdminUrl, journals, adminJournals }, process.env, settings);
  if (!read.ok) {
    for (const problem of read.problems) console.error(`graph-store: ${problem}`);
    process.exit(2);
  }
  return new Map(
    journalsOf(read.config).map(({ name, databaseUrl: url, databaseAdminUrl: owner }) => {
      const sql = connect({ url: owner ?? url, name: application, max });
      open.defer(() => sql.end({ timeout: 2 }));
      return [name, sql] as const;
    }),
  );
}

/** The configured journals, and those that this process serves. */
import { MAIN } from '@polyedge/contracts/journal';
import { journalUrls } from '@polyedge/service-kit/journal-urls';
import { CannotStart } from '@polyedge/service-kit/lifecycle';

const POSTGRES = ['postgres', 'postgresql'];

export interface JournalPlace {
  readonly name: string;
  readonly databaseUrl: string;
  /** A URL for the same database as its owner. */
  readonly databaseAdminUrl: string | undefined;
}

interface JournalUrls {
  readonly databaseUrl: string;
  readonly databaseAdminUrl: string | undefined;
  readonly journals: string | undefined;
  readonly adminJournals: string | undefined;
}

/** Every configured journal, `main` first. Throws `CannotStart` with the mistake in the settings. */
export function journalsOf({ databaseUrl, databaseAdminUrl, journals, adminJournals }: JournalUrls): readonly JournalPlace[] {
  const owners = journalUrls('POLYEDGE_ADMIN_JOURNALS', adminJournals, POSTGRES);
  const named = journalUrls('POLYEDGE_JOURNALS', journals, POSTGRES);
  const stray = [...owners.keys()].find((name) => !named.has(name));
  if (stray !== undefined) throw new CannotStart(`POLYEDGE_ADMIN_JOURNALS names ${stray}, which POLYEDGE_JOURNALS does not`);
  const others = [...named].map(([name, url]) => ({ name, databaseUrl: url, databaseAdminUrl: owners.get(name) }));
  return [{ name: MAIN, databaseUrl, databaseAdminUrl }, ...others];
}

/** Those that a process serves. */
export function servedOf(places: readonly JournalPlace[], serves: string): readonly JournalPlace[] {
  if (serves === 'all') return places;
  return serves.split(',').map((text) => {
    const name = text.trim();
    const place = places.find((one) => one.name === name);
    if (place === undefined) throw new CannotStart(`GRAPH_STORE_SERVES names the journal ${name}, which POLYEDGE_JOURNALS does not`);
    return place;
  });
}

/** Which journals there are besides `main`, and which of all this process serves. */
import { JOURNAL_NAME, MAIN } from '@polyedge/contracts/journal';
import { CannotStart } from '@polyedge/service-kit/lifecycle';

export interface JournalPlace {
  readonly name: string;
  readonly databaseUrl: string;
  /** The same database as its owner. */
  readonly databaseAdminUrl: string | undefined;
}

interface Named {
  readonly databaseUrl: string;
  readonly databaseAdminUrl: string | undefined;
  readonly journals: string | undefined;
  readonly adminJournals: string | undefined;
}

/** Every journal that the settings name, `main` first. Throws `CannotStart` with what is wrong with them. */
export function journalsOf({ databaseUrl, databaseAdminUrl, journals, adminJournals }: Named): readonly JournalPlace[] {
  const owners = parseJournals('POLYEDGE_ADMIN_JOURNALS', adminJournals ?? '');
  const named = parseJournals('POLYEDGE_JOURNALS', journals ?? '');
  const stray = [...owners.keys()].find((name) => !named.has(name));
  if (stray !== undefined) throw new CannotStart(`POLYEDGE_ADMIN_JOURNALS names ${stray}, which POLYEDGE_JOURNALS does not`);
  const others = [...named].map(([name, url]) => ({ name, databaseUrl: url, databaseAdminUrl: owners.get(name) }));
  return [{ name: MAIN, databaseUrl, databaseAdminUrl }, ...others];
}

/** Those of them that a process serves. */
export function servedOf(places: readonly JournalPlace[], serves: string): readonly JournalPlace[] {
  if (serves === 'all') return places;
  return serves.split(',').map((text) => {
    const name = text.trim();
    const place = places.find((one) => one.name === name);
    if (place === undefined) throw new CannotStart(`GRAPH_STORE_SERVES names the journal ${name}, which POLYEDGE_JOURNALS does not`);
    return place;
  });
}

/** `name=postgres://…`, several separated by white space. The URLs hold passwords: no message repeats them. */
function parseJournals(setting: string, text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split(/\s+/).filter((one) => one !== '')) {
    const [name = '', ...rest] = part.split('=');
    const url = rest.join('=');
    if (!JOURNAL_NAME.test(name) || name === MAIN || found.has(name))
      throw new CannotStart(
        `${setting}: "${name}" cannot be the name of a further journal; it is lower-case, begins with a letter and occurs once`,
      );
    if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol))
      throw new CannotStart(`${setting}: the journal ${name} has no URL of the form postgres://…`);
    found.set(name, url);
  }
  return found;
}

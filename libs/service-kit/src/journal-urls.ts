/** Settings with one URL per journal: `NAME=URL`, separated by white space. */
import { JOURNAL_NAME, MAIN } from '@polyedge/contracts/journal';
import { CannotStart } from './lifecycle.ts';

/**
 * The URLs by journal, without `main`, which has its own settings. Throws `CannotStart` with the mistake in the text. URLs contain
 * passwords, so no message repeats them.
 */
export function journalUrls(setting: string, text: string | undefined, schemes: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of (text ?? '').split(/\s+/).filter((one) => one !== '')) {
    const [name = '', ...rest] = part.split('=');
    const url = rest.join('=');
    if (!JOURNAL_NAME.test(name) || name === MAIN || found.has(name))
      throw new CannotStart(
        `${setting}: "${name}" cannot be the name of a further journal; it is lower-case, begins with a letter and occurs once`,
      );
    if (!URL.canParse(url) || !schemes.includes(new URL(url).protocol.slice(0, -1)))
      throw new CannotStart(`${setting}: the journal ${name} has no URL of the form ${schemes[0]}://…`);
    found.set(name, url);
  }
  return found;
}

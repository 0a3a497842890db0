/** Journals by name, and what their names do to subjects. */
import { token } from './subject.ts';

/** The journal that every tenant is in unless it was placed in another one. */
export const MAIN = 'main';

/** A journal's name: a subject token, a part of keys in Redis and a label of metrics as it is. */
export const JOURNAL_NAME = /^[a-z][a-z0-9-]{0,31}$/;

/**
 * The subject, or the pattern, of a channel in a journal. In `main` it is the channel's own; another journal's name follows it as a last token, so
 * whoever subscribes for one journal is never sent what belongs to another.
 */
export const inJournal = (subject: string, journal: string): string => (journal === MAIN ? subject : `${subject}.${token(journal)}`);

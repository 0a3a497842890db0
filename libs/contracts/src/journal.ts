/** Names of journals, and the subjects of their channels. */
import { token } from './subject.ts';

/** The journal of every tenant that was not placed in another one. */
export const MAIN = 'main';

/** A journal's name: used verbatim as a subject token, a part of Redis keys and a metric label. */
export const JOURNAL_NAME = /^[a-z][a-z0-9-]{0,31}$/;

/**
 * The subject or pattern of a channel in a journal. In `main` it is the channel's own; otherwise the journal's name is appended as a last
 * token, so a subscriber of one journal receives nothing of another.
 */
export const inJournal = (subject: string, journal: string): string => (journal === MAIN ? subject : `${subject}.${token(journal)}`);

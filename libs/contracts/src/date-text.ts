/** Reads dates of clients, on every server alike: JavaScript reads most of those without a zone in the zone of the process. */

/** These are read in UTC as they are. */
const WITHOUT_TIME = /^\d{4}(?:-\d\d){0,2}$/;
const ISO = /^[\d-]+T[\d:.]+$/;
const ZONE = /z\s*$|\b(?:gmt|utc?|[ecmp][sd]t)\b|:\d\d.*[+-]\d\d:?\d\d/i;

/** No date is longer; longer texts would make the expressions above slow. */
const MAX_CHARACTERS = 100;

/** Milliseconds since 1970 of a date in any form that JavaScript reads, in UTC if it has no zone; NaN if it is none. */
export function parseDate(text: string): number {
  if (text.length > MAX_CHARACTERS) return Number.NaN;
  if (WITHOUT_TIME.test(text) || ZONE.test(text)) return Date.parse(text);
  return Date.parse(ISO.test(text) ? `${text}Z` : `${text} UTC`);
}

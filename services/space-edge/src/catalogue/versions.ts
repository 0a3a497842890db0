/** Pricing versions by name. The author's spelling is kept everywhere; a URL may write `.` as `_` and the other way round. */

const folded = (version: string): string => version.replaceAll('_', '.');

/** The version that a caller means: the same text, else the only one that differs in `.` and `_` at most. */
export function findVersion(versions: Iterable<string>, asked: string): string | undefined {
  const all = [...versions];
  if (all.includes(asked)) return asked;
  const alike = all.filter((version) => folded(version) === folded(asked));
  return alike.length === 1 ? alike[0] : undefined;
}

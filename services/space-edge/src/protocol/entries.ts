/** Maps inside attributes. Others may write the vertices too, so each entry is checked as it is read. */
import { isObject, type Json } from '@polyedge/query/json';

/** The entries of an object that `read` understands; none for what is no object. */
export function readEntries<T>(value: Json | undefined, read: (value: Json) => T | undefined): Record<string, T> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, entry]) => {
      const known = read(entry);
      return known === undefined ? [] : [[name, known] as const];
    }),
  );
}

/** What an object has under a name of its own. */
export const entryOf = <T>(entries: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined;

export const keepEntries = <T>(entries: Readonly<Record<string, T>>, keep: (name: string) => boolean): Record<string, T> =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => keep(name)));

export const renameEntries = <T>(entries: Readonly<Record<string, T>>, rename: (name: string) => string): Record<string, T> =>
  Object.fromEntries(Object.entries(entries).map(([name, value]) => [rename(name), value]));

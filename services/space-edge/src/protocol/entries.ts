/** Maps inside attributes. Other protocols may write the vertices too, so each entry is validated on reading. */
import { isObject, type Json } from '@polyedge/query/json';

/** The entries of an object that `read` accepts; none if the value is no object. */
export function readEntries<T>(value: Json | undefined, read: (value: Json) => T | undefined): Record<string, T> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, entry]) => {
      const known = read(entry);
      return known === undefined ? [] : [[name, known] as const];
    }),
  );
}

/** An object's own entry under a name. */
export const entryOf = <T>(entries: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined;

export const keepEntries = <T>(entries: Readonly<Record<string, T>>, keep: (name: string) => boolean): Record<string, T> =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => keep(name)));

export const renameEntries = <T>(entries: Readonly<Record<string, T>>, rename: (name: string) => string): Record<string, T> =>
  Object.fromEntries(Object.entries(entries).map(([name, value]) => [rename(name), value]));

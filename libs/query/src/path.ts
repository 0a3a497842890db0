import type { Document } from './document.ts';
import type { Path } from './filter.ts';
import { isObject, type Json } from './json.ts';

/** First segments that are a complete path. */
export const FIELDS = ['id', 'kind', 'type', 'scope', 'xid', 'version', 'seq', 'deleted', 'out', 'in', 'outType', 'inType'] as const;

/** First segments that are followed by one of `STAMP_PARTS`. */
const STAMPS = ['created', 'modified'] as const;
const STAMP_PARTS = ['on', 'by', 'app'] as const;

export type Field = (typeof FIELDS)[number];
export type StampName = (typeof STAMPS)[number];
export type StampPart = (typeof STAMP_PARTS)[number];

export const MAX_PATH_SEGMENTS = 16;
export const MAX_SEGMENT_CHARACTERS = 1024;

/** A parsed path. */
export type PathTarget =
  | { readonly of: 'field'; readonly field: Field }
  | { readonly of: 'stamp'; readonly stamp: StampName; readonly part: StampPart }
  | { readonly of: 'attribute'; readonly keys: readonly string[] }
  /** The action of a change; absent in stored elements. */
  | { readonly of: 'action' };

/** Parses a path; undefined if it is not one that `Path` describes. */
export function parsePath(path: Path): PathTarget | undefined {
  const [first, second] = path;
  if (path.length === 1) {
    if (first === 'action') return { of: 'action' };
    const field = FIELDS.find((name) => name === first);
    return field === undefined ? undefined : { of: 'field', field };
  }
  if (first === 'attributes' && path.length > 1) return { of: 'attribute', keys: path.slice(1) };
  if (path.length !== 2) return undefined;
  const stamp = STAMPS.find((name) => name === first);
  const part = STAMP_PARTS.find((name) => name === second);
  return stamp === undefined || part === undefined ? undefined : { of: 'stamp', stamp, part };
}

/** Compiles a path to a function that reads its value. The value at an unknown path is undefined. */
export function compilePath(path: Path): (document: Document) => Json | undefined {
  const place = parsePath(path);
  if (place === undefined) return () => undefined;
  switch (place.of) {
    case 'field': {
      const { field } = place;
      return (document) => document[field];
    }
    case 'stamp': {
      const { stamp, part } = place;
      return (document) => document[stamp][part];
    }
    case 'attribute':
      return compileKeys(place.keys);
    case 'action':
      return (document) => document.action;
  }
}

function compileKeys(keys: readonly string[]): (document: Document) => Json | undefined {
  const [key] = keys;
  if (keys.length === 1 && key !== undefined) {
    return ({ attributes }) => (Object.hasOwn(attributes, key) ? attributes[key] : undefined);
  }
  return ({ attributes }) => {
    let value: Json | undefined = attributes;
    for (const segment of keys) {
      if (!isObject(value) || !Object.hasOwn(value, segment)) return undefined;
      value = value[segment];
    }
    return value;
  };
}

/**
 * HIRO's system attributes (`ogit/_…`): how each is shown, and where filters find its value. One table for vertices, jfilter, Lucene
 * queries and `order`, so that they agree (HIRO Graph API, sample vertices and edges).
 */
import type { Element } from '@polyedge/contracts/element';
import type { Filter, Path } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';

/** Where filters find the value of an attribute in a document. */
export interface AttributeSource {
  readonly path: Path;
  /** `json`: a stored attribute; the others are fields of the element. `opaque`: only shown, never comparable. */
  readonly kind: 'text' | 'number' | 'boolean' | 'json' | 'opaque';
  /** Every element has it. */
  readonly always?: true;
  /** The elements that have it, if that differs from having a value at the path. */
  readonly when?: Filter;
  /** Its value in elements without a stored value. */
  readonly otherwise?: { readonly path: Path } | 'tenant';
}

interface SystemAttribute extends AttributeSource {
  /** The value that is shown; undefined if this element has none. */
  readonly show: (element: Element) => Json | undefined;
}

const EDGE: Filter = { test: 'equal', path: ['kind'], value: 'edge' };
const DELETED: Filter = { test: 'equal', path: ['deleted'], value: true };

const always = (path: Path, kind: 'text' | 'number' | 'boolean', show: SystemAttribute['show']): SystemAttribute => ({
  path,
  kind,
  always: true,
  show,
});
const sometimes = (path: Path, show: SystemAttribute['show']): SystemAttribute => ({ path, kind: 'text', show });

/** Attributes computed from the element, in the order in which they are shown. They take precedence over stored attributes. */
const SYSTEM: ReadonlyMap<string, SystemAttribute> = new Map([
  ['ogit/_id', always(['id'], 'text', ({ id }) => id)],
  ['ogit/_type', always(['type'], 'text', ({ type }) => type)],
  ['ogit/_graphtype', always(['kind'], 'text', ({ kind }) => kind)],
  ['ogit/_xid', sometimes(['xid'], ({ xid }) => xid)],
  ['ogit/_edge-id', { path: ['id'], kind: 'text', when: EDGE, show: ({ kind, id }) => (kind === 'edge' ? id : undefined) }],
  ['ogit/_out-id', sometimes(['out'], ({ out }) => out)],
  ['ogit/_in-id', sometimes(['in'], (element) => element.in)],
  ['ogit/_out-type', sometimes(['outType'], ({ outType }) => outType)],
  ['ogit/_in-type', sometimes(['inType'], ({ inType }) => inType)],
  ['ogit/_v', always(['version'], 'number', ({ version }) => version)],
  ['ogit/_v-id', { path: ['seq'], kind: 'opaque', always: true, show: (element) => versionId(element) }],
  ['ogit/_created-on', always(['created', 'on'], 'number', ({ created }) => created.on)],
  ['ogit/_creator', always(['created', 'by'], 'text', ({ created }) => created.by)],
  ['ogit/_creator-app', always(['created', 'app'], 'text', ({ created }) => created.app)],
  ['ogit/_modified-on', always(['modified', 'on'], 'number', ({ modified }) => modified.on)],
  ['ogit/_modified-by', always(['modified', 'by'], 'text', ({ modified }) => modified.by)],
  ['ogit/_modified-by-app', always(['modified', 'app'], 'text', ({ modified }) => modified.app)],
  [
    'ogit/_owner',
    {
      path: ['attributes', 'ogit/_owner'],
      kind: 'json',
      otherwise: { path: ['created', 'by'] },
      show: (element) => written(element, 'ogit/_owner') ?? element.created.by,
    },
  ],
  [
    'ogit/_organization',
    {
      path: ['attributes', 'ogit/_organization'],
      kind: 'json',
      otherwise: 'tenant',
      show: (element) => written(element, 'ogit/_organization') ?? element.tenant,
    },
  ],
  ['ogit/_scope', always(['scope'], 'text', ({ scope }) => scope)],
  ['ogit/_is-deleted', always(['deleted'], 'boolean', ({ deleted }) => deleted)],
  ['ogit/_deleted-on', whereDeleted(['modified', 'on'], 'number', ({ modified }) => modified.on)],
  ['ogit/_deleted-by', whereDeleted(['modified', 'by'], 'text', ({ modified }) => modified.by)],
  ['ogit/_deleted-by-app', whereDeleted(['modified', 'app'], 'text', ({ modified }) => modified.app)],
]);

/** The same as a list, which is faster to iterate. */
const SYSTEM_LIST: readonly (readonly [string, SystemAttribute])[] = [...SYSTEM];

/** Adds the element's computed attributes to a vertex; with `fields`, only those. */
export function addSystemAttributes(element: Element, fields: ReadonlySet<string> | undefined, vertex: Record<string, Json>): void {
  for (const [name, { show }] of SYSTEM_LIST) {
    if (fields !== undefined && !fields.has(name)) continue;
    const value = show(element);
    if (value !== undefined) vertex[name] = value;
  }
}

export const isComputed = (name: string): boolean => SYSTEM.has(name);

/** Where filters find an attribute. Names that HIRO does not compute are stored attributes of any protocol. */
export function sourceOf(name: string): AttributeSource {
  return SYSTEM.get(name) ?? { path: ['attributes', name], kind: 'json' };
}

/**
 * The id of one version, `<ms>-<6 alphanumerics>`: the time of the change and a hash of id and version. It is deterministic, so the history
 * can be queried by it although it is not stored.
 */
export function versionId({
  id,
  version,
  modified,
}: Pick<Element, 'id' | 'version'> & { readonly modified: Pick<Element['modified'], 'on'> }): string {
  return versionIdOf(id, String(version), String(modified.on));
}

/** The same from the decimal texts of the version and of the time in milliseconds. Every event and every answer has one. */
export function versionIdOf(id: string, version: string, on: string): string {
  // Two hashes (FNV-1a) with different seeds, because 36 bits are needed and one has 32.
  let one = 0x811c9dc5;
  let other = 0x01234567;
  for (const text of [version, '\0', on, '\0', id]) {
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      one = Math.imul(one ^ code, FNV_PRIME);
      other = Math.imul(other ^ code, FNV_PRIME);
    }
  }
  const low = (one >>> 0) * 16 + (other >>> 28);
  const middle = Math.floor(low / PAIRS.length);
  const high = Math.floor(middle / PAIRS.length);
  return `${on}-${PAIRS[low % PAIRS.length]}${PAIRS[middle % PAIRS.length]}${PAIRS[high % PAIRS.length]}`;
}

const FNV_PRIME = 0x01000193;
const ALPHANUMERICS = [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'];
/** Two digits of base 62 each, the lower one first. */
const PAIRS = ALPHANUMERICS.flatMap((high) => ALPHANUMERICS.map((low) => low + high));

function whereDeleted(path: Path, kind: 'text' | 'number', show: SystemAttribute['show']): SystemAttribute {
  return { path, kind, when: DELETED, show: (element) => (element.deleted ? show(element) : undefined) };
}

function written({ attributes }: Element, name: string): Json | undefined {
  return Object.hasOwn(attributes, name) ? (attributes[name] ?? undefined) : undefined;
}

/**
 * The head of a change's text: the fields that `changeText` writes before the attributes, read by one regular expression. Whatever it does not
 * match, such as numbers that no version writes or another order of members, is parsed as JSON and gives the same parts.
 */
import { parseOwnJson } from '@polyedge/query/json-text';
import type { FullChange } from './change.ts';

/**
 * Parts of a change's text, verbatim: the JSON of a string, with its quotes, or of a number. `undefined`: the element has no such field.
 */
export interface ChangeParts {
  readonly action: string;
  readonly on: string;
  readonly tenant: string;
  readonly id: string;
  readonly kind: string;
  readonly type: string;
  readonly scope: string;
  readonly version: string;
  readonly createdOn: string;
  readonly createdBy: string;
  readonly createdApp: string;
  readonly modifiedOn: string;
  readonly modifiedBy: string;
  readonly modifiedApp: string;
  readonly deleted: string;
  readonly xid: string | undefined;
  readonly out: string | undefined;
  readonly in: string | undefined;
  readonly outType: string | undefined;
  readonly inType: string | undefined;
  /** Start of the attributes' JSON; undefined if the text is not in the order of `changeText`. */
  readonly attributesAt: number | undefined;
}

const TEXT = '("[^"\\\\]*(?:\\\\.[^"\\\\]*)*")';
/** An integer that JavaScript reads exactly and writes in the same way. */
const INTEGER = '(0|-?[1-9][0-9]{0,14})';
const STAMP = `\\{"on":${INTEGER},"by":${TEXT},"app":${TEXT}\\}`;
const maybe = (name: string): string => `(?:,"${name}":${TEXT})?`;

const BEGINNING = '{"seq":';
const TENANT = ',"tenant":"';
const HEAD = new RegExp(
  `,"action":${TEXT},"on":${INTEGER},"state":\\{"tenant":${TEXT},"id":${TEXT},"kind":${TEXT},"type":${TEXT},"scope":${TEXT},` +
    `"version":${INTEGER},"seq":[0-9]+,"created":${STAMP},"modified":${STAMP},"deleted":(true|false)` +
    `${['xid', 'out', 'in', 'outType', 'inType'].map(maybe).join('')},"attributes":`,
  'y',
);

/** The seq, the tenant, and where the rest of the head begins; undefined if the text begins otherwise. */
export function beginningOf(text: string): { readonly seq: number; readonly tenant: string; readonly end: number } | undefined {
  const seqEnd = text.indexOf(',', BEGINNING.length);
  if (!text.startsWith(BEGINNING) || !text.startsWith(TENANT, seqEnd)) return undefined;
  const from = seqEnd + TENANT.length;
  const end = text.indexOf('"', from);
  const tenant = text.slice(from, end);
  // No organization's name has an escape.
  return tenant.includes('\\') ? undefined : { seq: Number(text.slice(BEGINNING.length, seqEnd)), tenant, end: end + 1 };
}

/** @param from the end of the beginning. Throws if the text is not the JSON of a change */
export function headOf(text: string, from: number): ChangeParts {
  HEAD.lastIndex = from;
  const found = HEAD.exec(text);
  if (found === null) return parsedHead(text);
  // Groups that are not optional have a text if the whole has matched.
  return {
    action: found[1] ?? '',
    on: found[2] ?? '',
    tenant: found[3] ?? '',
    id: found[4] ?? '',
    kind: found[5] ?? '',
    type: found[6] ?? '',
    scope: found[7] ?? '',
    version: found[8] ?? '',
    createdOn: found[9] ?? '',
    createdBy: found[10] ?? '',
    createdApp: found[11] ?? '',
    modifiedOn: found[12] ?? '',
    modifiedBy: found[13] ?? '',
    modifiedApp: found[14] ?? '',
    deleted: found[15] ?? '',
    xid: found[16],
    out: found[17],
    in: found[18],
    outType: found[19],
    inType: found[20],
    attributesAt: HEAD.lastIndex,
  };
}

/** The same from the whole change. */
function parsedHead(text: string): ChangeParts {
  const change = parseOwnJson(text) as FullChange | undefined; // the publisher wrote it
  if (change === undefined) throw new Error('the text of a change is damaged');
  const { action, on, state } = change;
  const { created, modified } = state;
  return {
    action: JSON.stringify(action),
    on: String(on),
    tenant: JSON.stringify(state.tenant),
    id: JSON.stringify(state.id),
    kind: JSON.stringify(state.kind),
    type: JSON.stringify(state.type),
    scope: JSON.stringify(state.scope),
    version: String(state.version),
    createdOn: String(created.on),
    createdBy: JSON.stringify(created.by),
    createdApp: JSON.stringify(created.app),
    modifiedOn: String(modified.on),
    modifiedBy: JSON.stringify(modified.by),
    modifiedApp: JSON.stringify(modified.app),
    deleted: String(state.deleted),
    xid: maybeJson(state.xid),
    out: maybeJson(state.out),
    in: maybeJson(state.in),
    outType: maybeJson(state.outType),
    inType: maybeJson(state.inType),
    attributesAt: undefined,
  };
}

const maybeJson = (text: string | undefined): string | undefined => (text === undefined ? undefined : JSON.stringify(text));

/**
 * A change as text: how NATS carries it and Redis stores it. The text is the JSON of the change in a fixed order of members, so a reader
 * can take the fields that filters and frames need most (action, type, scope, stamps and the like) from its beginning without parsing the
 * rest, and can copy parts of it into frames.
 */
import type { Document } from '@polyedge/query/document';
import type { JsonObject } from '@polyedge/query/json';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { Action, FullChange, Origin, Undo } from './change.ts';
import { beginningOf, type ChangeParts, headOf } from './change-head.ts';
import type { Element, Stamp } from './element.ts';

/** @param attributesText the JSON of the state's attributes, if it already exists */
export function changeText(change: FullChange, attributesText = JSON.stringify(change.state.attributes)): string {
  const { seq, tenant, action, on, state, ...rest } = change;
  const { id, kind, type, scope, version, created, modified, deleted, xid, out, outType, inType } = state;
  const { seq: at, in: into } = state;
  // Absent fields are undefined here and omitted from the text.
  const head = {
    tenant: state.tenant,
    id,
    kind,
    type,
    scope,
    version,
    seq: at,
    created,
    modified,
    deleted,
    xid,
    out,
    in: into,
    outType,
    inType,
  };
  const stateText = `${JSON.stringify(head).slice(0, -1)},"attributes":${attributesText}}`;
  return `{"seq":${seq},"tenant":${JSON.stringify(tenant)},"action":"${action}","on":${on},"state":${stateText},${JSON.stringify(rest).slice(1)}`;
}

/**
 * A change whose text is parsed lazily: first the head, then the attributes and the rest, each on first access. It serves as its own
 * document for filters, whose paths refer to the state after it and to `action`.
 */
export class StoredChange implements FullChange, Document {
  readonly seq: number;
  readonly tenant: string;
  readonly #text: string;
  /** End of the tenant in the head. */
  readonly #headAt: number;
  #parts: ChangeParts | undefined;
  /** Null: they are not all strings. Undefined: not computed yet. */
  #textAttributes: string | null | undefined;
  #attributes: JsonObject | undefined;
  #whole: FullChange | undefined;

  private constructor(seq: number, tenant: string, text: string, headAt: number) {
    this.seq = seq;
    this.tenant = tenant;
    this.#text = text;
    this.#headAt = headAt;
  }

  /** @param text written by `changeText`; undefined if it was not, and the caller must parse it. Never throws */
  static read(text: string): StoredChange | undefined {
    const beginning = beginningOf(text);
    if (beginning === undefined) return undefined;
    return new StoredChange(beginning.seq, beginning.tenant, text, beginning.end);
  }

  /** The fields of the head, as text. Parsed on first access: a waiting change is one string instead of a hundred small objects. */
  get parts(): ChangeParts {
    this.#parts ??= headOf(this.#text, this.#headAt);
    return this.#parts;
  }

  // The fields of the head, which the change and the state after it share.

  get action(): Action {
    return textIn(this.parts.action) as Action; // the publisher wrote it
  }

  get on(): number {
    return Number(this.parts.on);
  }

  get id(): string {
    return textIn(this.parts.id);
  }

  get kind(): 'vertex' | 'edge' {
    return this.parts.kind === '"edge"' ? 'edge' : 'vertex';
  }

  get type(): string {
    return textIn(this.parts.type);
  }

  get scope(): string {
    return textIn(this.parts.scope);
  }

  get version(): number {
    return Number(this.parts.version);
  }

  get created(): Stamp {
    const { createdOn, createdBy, createdApp } = this.parts;
    return { on: Number(createdOn), by: textIn(createdBy), app: textIn(createdApp) };
  }

  get modified(): Stamp {
    const { modifiedOn, modifiedBy, modifiedApp } = this.parts;
    return { on: Number(modifiedOn), by: textIn(modifiedBy), app: textIn(modifiedApp) };
  }

  get deleted(): boolean {
    return this.parts.deleted === 'true';
  }

  get xid(): string | undefined {
    return maybeTextIn(this.parts.xid);
  }

  get out(): string | undefined {
    return maybeTextIn(this.parts.out);
  }

  get in(): string | undefined {
    return maybeTextIn(this.parts.in);
  }

  get outType(): string | undefined {
    return maybeTextIn(this.parts.outType);
  }

  get inType(): string | undefined {
    return maybeTextIn(this.parts.inType);
  }

  // Fields that require parsing.

  /**
   * The attributes as JSON without the braces, if all of them are strings and the text has them in JavaScript's order of keys; otherwise
   * undefined.
   */
  get textAttributes(): string | undefined {
    if (this.#textAttributes === undefined) {
      const { attributesAt } = this.parts;
      this.#textAttributes = attributesAt === undefined ? null : textsAt(this.#text, attributesAt);
    }
    return this.#textAttributes ?? undefined;
  }

  get attributes(): JsonObject {
    if (this.#attributes === undefined) {
      const texts = this.textAttributes;
      this.#attributes = texts === undefined ? this.#parsed.state.attributes : (JSON.parse(`{${texts}}`) as JsonObject); // an object of texts
    }
    return this.#attributes;
  }

  get state(): Element {
    return this.#parsed.state;
  }

  get undo(): Undo {
    return this.#parsed.undo;
  }

  get epoch(): string {
    return this.#parsed.epoch;
  }

  get owners(): readonly string[] {
    return this.#parsed.owners;
  }

  get by(): string {
    return this.#parsed.by;
  }

  get app(): string {
    return this.#parsed.app;
  }

  get origin(): Origin {
    return this.#parsed.origin;
  }

  get operationId(): string {
    return this.#parsed.operationId;
  }

  get first(): number {
    return this.#parsed.first;
  }

  get last(): number {
    return this.#parsed.last;
  }

  /** For `JSON.stringify`. */
  toJSON(): FullChange {
    return this.#parsed;
  }

  get #parsed(): FullChange {
    this.#whole ??= parseOwnJson(this.#text) as FullChange; // the publisher wrote it
    return this.#whole;
  }
}

/** Strings rarely have escapes; without them, the content is the text between the quotes. */
function textIn(json: string): string {
  return json.includes('\\') ? String(JSON.parse(json)) : json.slice(1, -1);
}

const maybeTextIn = (json: string | undefined): string | undefined => (json === undefined ? undefined : textIn(json));

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENED = 0x7b;
const CLOSED = 0x7d;
const ZERO = 0x30;
const NINE = 0x39;

/** The index of the closing quote of the string that starts at `at`; -1 if there is none. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return -1;
}

/**
 * The members of the object that starts at `at`, without the braces, if all its values are strings; otherwise null. Names that look like array
 * indexes do not count, because JavaScript moves them to the front.
 */
function textsAt(text: string, at: number): string | null {
  if (text.charCodeAt(at) !== OPENED) return null;
  if (text.charCodeAt(at + 1) === CLOSED) return '';
  for (let name = at + 1; text.charCodeAt(name) === QUOTE; name += 1) {
    const first = text.charCodeAt(name + 1);
    const colon = endOfString(text, name) + 1;
    if ((first >= ZERO && first <= NINE) || text.charCodeAt(colon) !== COLON || text.charCodeAt(colon + 1) !== QUOTE) return null;
    name = endOfString(text, colon + 1) + 1;
    const next = text.charCodeAt(name);
    if (next === CLOSED) return text.slice(at + 1, name);
    if (next !== COMMA) return null;
  }
  return null;
}

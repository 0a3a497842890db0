/** The writes of one request, kept apart from the world until the whole request has succeeded. */
import type { MutationRequest } from '@polyedge/contracts/bus/graph';
import type { Action } from '@polyedge/contracts/change';
import { type Element, type Stamp, SYSTEM_SCOPE, SYSTEM_TENANT } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { own } from '@polyedge/query/own-properties';
import { CONTENT_ATTRIBUTE } from './content-attribute.ts';
import { knowJson } from './known-json.ts';
import { MAX_BATCH_STATE_CHARACTERS, MAX_ELEMENT_BYTES, MAX_REQUEST_STATE_CHARACTERS, MAX_UNIQUE_NAMES } from './limits.ts';
import { ownersOfChange } from './owners.ts';
import type { ApplyContext, Needs, PendingChange, PendingValues, Row } from './pending.ts';
import { slotOf } from './slot.ts';
import { type Difference, FRESH, undoOf } from './undo.ts';
import { uniqueKeys } from './unique.ts';
import type { TenantRows, World } from './world.ts';

/** An element's next state, without the fields that every change sets: `seq`, `version`, `modified`. */
export interface NextState {
  readonly action: Action;
  readonly element: Omit<Element, 'seq' | 'version' | 'modified'>;
  readonly difference?: Difference | undefined;
  readonly uniqueNames: readonly string[];
}

/** One request's view of the world: its own writes over the rows of the batch. Dropped if the request fails. */
export class Overlay {
  readonly changes: PendingChange[] = [];
  readonly values: PendingValues[] = [];
  readonly stamp: Stamp;
  readonly #world: World;
  readonly #base: TenantRows;
  readonly #request: MutationRequest;
  readonly #rows = new Map<string, Row>();
  #connected: { readonly vertex: string; readonly edge: string }[] = [];
  #owners: Map<string, string | undefined> | undefined;
  #needs: { ids: Set<string>; adjacency: Set<string>; uniqueKeys: Set<string> } | undefined;
  #stateCharacters = 0;

  constructor(world: World, request: MutationRequest, { tenant, on }: Pick<ApplyContext, 'tenant' | 'on'>) {
    this.#world = world;
    this.#base = world.tenant(tenant);
    this.#request = request;
    this.stamp = { on, by: request.by, app: request.app };
  }

  /** The rows that were missing from the world; undefined if none. If some were missing, the other results of this overlay are invalid. */
  needs(): Needs | undefined {
    const needs = this.#needs;
    return needs && { ids: [...needs.ids], adjacency: [...needs.adjacency], uniqueKeys: [...needs.uniqueKeys] };
  }

  /** The row of an id, living, deleted or in the `system` scope. An unknown id is noted as needed and reads as absent. */
  row(id: string): Row | undefined {
    const row = this.#rows.get(id) ?? this.#base.rows.get(id);
    if (row === undefined && !this.#base.rows.has(id)) this.#need().ids.add(id);
    return row;
  }

  /** Whether an id has a known row; for newly generated ids, which are not loaded. */
  taken(id: string): boolean {
    return this.#rows.has(id) || this.#base.rows.get(id) !== undefined;
  }

  /** Whether this request has changed the element. */
  changed(id: string): boolean {
    return this.#rows.has(id);
  }

  /** The row of a living element that data mutations may see. */
  living(id: string): Row | undefined {
    const row = this.row(id);
    if (row === undefined || row.element.deleted) return undefined;
    return row.element.scope === SYSTEM_SCOPE && row.element.tenant !== SYSTEM_TENANT ? undefined : row;
  }

  /** An account as a vertex. */
  account(id: string): Element | undefined {
    return this.#base.accounts.get(id);
  }

  /** Ids written by this batch, including this request: criteria must check them in addition to those found by SQL. */
  *writtenIds(): Generator<string> {
    yield* this.#base.written;
    yield* this.#rows.keys();
  }

  /** The living edges of a vertex, by id. */
  edgesOf(vertex: string): Row[] {
    const loaded = this.#base.adjacency.get(vertex);
    if (loaded === undefined && this.#isStored(vertex)) this.#need().adjacency.add(vertex);
    const ids = new Set(loaded);
    for (const id of this.#base.connected.get(vertex) ?? []) ids.add(id);
    for (const made of this.#connected) if (made.vertex === vertex) ids.add(made.edge);
    const rows: Row[] = [];
    for (const id of [...ids].sort()) {
      const row = this.row(id);
      if (row !== undefined && !row.element.deleted) rows.push(row);
    }
    return rows;
  }

  /** Records a change and applies its state; `before` is the row it replaces. */
  change(before: Row | undefined, next: NextState): Outcome<Element> {
    const pendingSeq = -(this.#world.changes + this.changes.length + 1);
    const element: Element = {
      ...next.element,
      version: (before?.element.version ?? 0) + 1,
      seq: pendingSeq,
      modified: this.stamp,
    };
    if (next.uniqueNames.length > MAX_UNIQUE_NAMES) return failed('too-large', `more than ${MAX_UNIQUE_NAMES} unique attributes`);
    const attributesJson = jsonOf(element, before);
    knowJson(element.attributes, attributesJson);
    if (!fits(attributesJson)) return failed('too-large', 'the element is larger than 2 MiB');
    this.#stateCharacters += attributesJson.length;
    if (this.#stateCharacters > MAX_REQUEST_STATE_CHARACTERS)
      return failed('too-large', 'the states of the request are too large together');
    if (this.#world.stateCharacters + this.#stateCharacters > MAX_BATCH_STATE_CHARACTERS) return failed('busy');
    const claimed = this.#claim(before, element, next.uniqueNames);
    if (!claimed.ok) return claimed;

    const { tenant, id, kind, type, scope, version } = element;
    const { by, app, origin, operationId } = this.#request;
    this.changes.push({
      seq: pendingSeq,
      tenant,
      id,
      kind,
      type,
      scope,
      owners: ownersOfChange(before?.element, element),
      action: next.action,
      version,
      on: this.stamp.on,
      by,
      app,
      origin,
      operationId,
      state: element,
      undo: before === undefined ? FRESH : undoOf(before.element, element, next.difference),
      uniqueNames: next.uniqueNames,
      attributesJson,
      ...contentOf(element),
      slot: slotOf(id),
    });
    this.#rows.set(id, { element, uniqueNames: next.uniqueNames, attributesJson });
    return done(element);
  }

  /** Records that an edge now connects its two ends. */
  connected(edge: string, out: string, into: string): void {
    this.#connected.push({ vertex: out, edge }, { vertex: into, edge });
  }

  /** Transfers everything to the world. */
  commit(): void {
    const base = this.#base;
    for (const [id, row] of this.#rows) {
      if (!base.written.has(id)) {
        base.written.add(id);
        if (base.rows.get(id) === undefined) base.inserted.add(id);
      }
      base.rows.set(id, row);
    }
    for (const { vertex, edge } of this.#connected) {
      const edges = base.connected.get(vertex);
      if (edges === undefined) base.connected.set(vertex, [edge]);
      else edges.push(edge);
    }
    for (const [key, id] of this.#owners ?? []) {
      if (!base.ownersBefore.has(key)) base.ownersBefore.set(key, base.owners.get(key));
      base.owners.set(key, id);
    }
    this.#world.changes += this.changes.length;
    this.#world.stateCharacters += this.#stateCharacters;
  }

  /** Releases the unique keys of the state before and claims those of the state after; fails if another element has one. */
  #claim(before: Row | undefined, after: Element, names: readonly string[]): Outcome<void> {
    const had = before === undefined || before.element.deleted ? [] : keysOf(before.element, before.uniqueNames);
    const has = after.deleted ? [] : keysOf(after, names);
    if (had.length === 0 && has.length === 0) return done(undefined);
    this.#owners ??= new Map();
    const owners = this.#owners;
    for (const key of has) {
      if (had.includes(key)) continue;
      const owner = owners.has(key) ? owners.get(key) : this.#base.owners.get(key);
      if (owner === undefined && !owners.has(key) && !this.#base.owners.has(key)) this.#need().uniqueKeys.add(key);
      if (owner !== undefined && owner !== after.id) return failed('conflict', 'a value that must be unique is taken');
      owners.set(key, after.id);
    }
    for (const key of had) {
      if (has.includes(key)) continue;
      // The owner of the key at the start of the batch is this row, so it need not be loaded.
      if (!owners.has(key)) this.#base.loadOwner(key, after.id);
      owners.set(key, undefined);
    }
    return done(undefined);
  }

  #isStored(id: string): boolean {
    return !this.#base.inserted.has(id) && this.#base.rows.get(id) !== undefined;
  }

  #need(): { ids: Set<string>; adjacency: Set<string>; uniqueKeys: Set<string> } {
    this.#needs ??= { ids: new Set(), adjacency: new Set(), uniqueKeys: new Set() };
    return this.#needs;
  }
}

function contentOf({ attributes }: Element): { readonly content?: string } {
  const content = own(attributes, CONTENT_ATTRIBUTE);
  return typeof content === 'string' ? { content } : {};
}

const NONE: readonly string[] = [];

const keysOf = (element: Element, names: readonly string[]): readonly string[] =>
  element.xid === undefined && names.length === 0 ? NONE : uniqueKeys(element.type, element.xid, element.attributes, names);

/** The attributes as JSON text; reuses the existing text if they are unchanged. */
const jsonOf = (element: Element, before: Row | undefined): string =>
  before?.attributesJson !== undefined && before.element.attributes === element.attributes
    ? before.attributesJson
    : JSON.stringify(element.attributes);

// A UTF-16 unit is at most three bytes of UTF-8.
const fits = (json: string): boolean => json.length * 3 <= MAX_ELEMENT_BYTES || Buffer.byteLength(json) <= MAX_ELEMENT_BYTES;

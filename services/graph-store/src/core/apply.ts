/** Applies one request to the rows that a batch has loaded. */
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { type Element, edgeId, SYSTEM_SCOPE, SYSTEM_TENANT } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json, JsonObject } from '@polyedge/query/json';
import { own } from '@polyedge/query/own-properties';
import { compile } from '@polyedge/query/predicate';
import { MAX_CASCADE, MAX_SELECTED } from './limits.ts';
import { Overlay } from './overlay.ts';
import type { Applied, ApplyContext, PendingResult, Row } from './pending.ts';
import { actionOf, attached, namesOf, operated, poppedOf, type Rewrites, type Rewritten, replaced, updated } from './rewrite.ts';
import type { Schemas } from './schema.ts';
import { hasHome, hasHomeId, problemOfState } from './type-rules.ts';
import { differenceOf } from './undo.ts';
import type { World } from './world.ts';

type OperationOf<Op extends Operation['op']> = Extract<Operation, { op: Op }>;
type Targeted = Exclude<Operation, { op: 'create' | 'connect' }>;

/** Conditions on every new state. */
interface Guards {
  readonly after?: Filter | undefined;
  readonly schema?: OperationOf<'create'>['schema'];
  readonly unique?: OperationOf<'create'>['unique'];
}

/** An element to be created. */
interface NewElement {
  readonly id?: string | undefined;
  readonly type: string;
  readonly scope?: string | undefined;
  readonly xid?: string | undefined;
  readonly accounts?: boolean | undefined;
  readonly attributes: JsonObject;
}

/**
 * Applies a validated request: all operations or none.
 *
 * `applied`: the world has the new states, and the next request sees them. `failed`: the request broke a rule, the world is unchanged.
 * `needs`: rows were missing (`plan` predicts all but rare ones); load them and apply the same request again.
 */
export function applyRequest(world: World, request: MutationRequest, context: ApplyContext, schemas: Schemas): Applied {
  const overlay = new Overlay(world, request, context);
  const application = new Application(overlay, context, schemas);
  const operations: PendingResult[] = [];
  for (const [index, operation] of request.operations.entries()) {
    const result = application.run(operation, index);
    const needs = overlay.needs();
    if (needs !== undefined) return { outcome: 'needs', needs };
    if (!result.ok) {
      const { code, detail } = result.failure;
      const place = `operations/${index}`;
      return { outcome: 'failed', failure: { code, detail: detail === undefined ? place : `${place}: ${detail}` }, operation: index };
    }
    operations.push(result.value);
  }
  overlay.commit();
  return { outcome: 'applied', operations, changes: overlay.changes, values: overlay.values };
}

/** One request being applied. */
class Application {
  readonly #overlay: Overlay;
  readonly #context: ApplyContext;
  readonly #schemas: Schemas;

  constructor(overlay: Overlay, context: ApplyContext, schemas: Schemas) {
    this.#overlay = overlay;
    this.#context = context;
    this.#schemas = schemas;
  }

  run(operation: Operation, index: number): Outcome<PendingResult> {
    switch (operation.op) {
      case 'create':
        return this.#create(operation, operation);
      case 'connect':
        return this.#connect(operation);
      case 'delete':
        return this.#delete(operation, index);
      case 'write-values':
        return this.#writeValues(operation, index);
      case 'update':
      case 'replace':
      case 'apply':
      case 'attach':
        return this.#rewrite(operation, index);
    }
  }

  /** Creates a vertex, also under the id of a deleted one. `rewritten` has the attributes computed by an operation with `ifMissing`. */
  #create(made: NewElement, guards: Guards, rewritten?: Rewritten): Outcome<PendingResult> {
    const overlay = this.#overlay;
    const { homeScope, defaultScope } = this.#context;
    const home = hasHome(made.type) ? homeScope : undefined;
    const scope = made.scope ?? home ?? defaultScope;
    if (home !== undefined && scope !== home) return failed('not-allowed', 'scope: elements of this type live in the default scope');
    const reserved = made.id !== undefined && homeScope !== undefined && scope !== homeScope && hasHomeId(made.id);
    if (reserved) return failed('not-allowed', 'id: is for a property of Saga');
    if (scope === SYSTEM_SCOPE && this.#context.tenant !== SYSTEM_TENANT) return failed('not-allowed', 'scope: is reserved');
    const id = made.id ?? this.#context.newId();
    if (made.id === undefined && overlay.taken(id)) return failed('internal', 'the new id is not new');
    const before = made.id === undefined ? undefined : overlay.row(id);
    if (before !== undefined && (!before.element.deleted || before.element.scope === SYSTEM_SCOPE))
      return failed('conflict', 'the id is taken');
    if (made.accounts === true && overlay.account(id) !== undefined) return failed('conflict', 'the id is taken');
    const attributes = rewritten?.attributes ?? made.attributes;
    const created = overlay.change(before, {
      action: 'create',
      element: {
        tenant: this.#context.tenant,
        id,
        kind: 'vertex',
        type: made.type,
        scope,
        ...(made.xid === undefined ? {} : { xid: made.xid }),
        attributes,
        created: overlay.stamp,
        deleted: false,
      },
      difference: before && differenceOf(before.element.attributes, attributes),
      uniqueNames: namesOf([], guards.unique),
    });
    const checked = created.ok ? this.#check(created.value, guards) : created;
    return checked.ok ? done({ elements: [checked.value], ...poppedOf(rewritten) }) : checked;
  }

  #connect({ out, verb, in: into, attributes = {}, ifExists, ends, accounts, after }: OperationOf<'connect'>): Outcome<PendingResult> {
    const overlay = this.#overlay;
    const endOf = (id: string): Element | undefined => (accounts === true ? overlay.account(id) : undefined) ?? overlay.living(id)?.element;
    const from = endOf(out);
    const to = endOf(into);
    if (from?.kind !== 'vertex') return failed('not-found', 'out: there is no such vertex');
    if (to?.kind !== 'vertex') return failed('not-found', 'in: there is no such vertex');
    if (ends !== undefined) {
      const mayEnd = compile(ends);
      if (!mayEnd(from) || !mayEnd(to)) return failed('not-allowed', 'ends');
    }
    const id = edgeId(out, verb, into);
    const before = overlay.row(id);
    if (before !== undefined && !before.element.deleted) {
      if (ifExists !== 'keep') return failed('conflict', 'the edge exists');
      const checked = this.#check(before.element, { after });
      return checked.ok ? done({ elements: [checked.value], unchanged: true }) : checked;
    }
    const edge = overlay.change(before, {
      action: 'connect',
      element: {
        tenant: this.#context.tenant,
        id,
        kind: 'edge',
        type: verb,
        // An edge is visible where its source vertex is.
        scope: from.scope,
        attributes,
        created: overlay.stamp,
        deleted: false,
        out,
        in: into,
        outType: from.type,
        inType: to.type,
      },
      difference: before && differenceOf(before.element.attributes, attributes),
      uniqueNames: [],
    });
    if (!edge.ok) return edge;
    overlay.connected(id, out, into);
    const checked = this.#check(edge.value, { after });
    return checked.ok ? done({ elements: [checked.value] }) : checked;
  }

  #rewrite(operation: Rewrites, index: number): Outcome<PendingResult> {
    const selected = this.#select(operation, index);
    if (!selected.ok) return selected;
    if (selected.value.length === 0) return this.#ifMissing(operation);
    const elements: Element[] = [];
    let popped: { readonly popped?: Json } = {};
    let changed = false;
    for (const row of selected.value) {
      const rewritten = this.#rewritten(row.element.attributes, row.element, operation);
      if (!rewritten.ok) return rewritten;
      const { attributes, nothing } = rewritten.value;
      const difference = differenceOf(row.element.attributes, attributes);
      const uniqueNames = namesOf(row.uniqueNames, operation.unique);
      const records = difference !== undefined || uniqueNames !== row.uniqueNames || (operation.touch === true && nothing !== true);
      const state = records
        ? this.#overlay.change(row, {
            action: actionOf(operation),
            element: difference === undefined ? row.element : { ...row.element, attributes },
            difference,
            uniqueNames,
          })
        : done(row.element);
      const checked = state.ok ? this.#check(state.value, operation) : state;
      if (!checked.ok) return checked;
      elements.push(checked.value);
      changed ||= records;
      popped = poppedOf(rewritten.value);
    }
    return done({ elements, ...(changed ? {} : { unchanged: true }), ...popped });
  }

  #rewritten(attributes: JsonObject, element: Pick<Element, 'kind' | 'type'>, operation: Rewrites): Outcome<Rewritten> {
    switch (operation.op) {
      case 'update':
        return updated(attributes, operation);
      case 'replace':
        return done(replaced(attributes, operation));
      case 'attach':
        if (element.kind !== 'vertex') return failed('invalid', 'only a vertex has content');
        if (operation.content !== null && !this.#context.contents.has(operation.content))
          return failed('not-found', 'content: is not complete');
        return done(attached(attributes, operation));
      case 'apply':
        return operated(attributes, element.type, operation);
    }
  }

  /** Creates the element of an operation that selected nothing, if it has `ifMissing`. */
  #ifMissing(operation: Rewrites): Outcome<PendingResult> {
    const missing = operation.op === 'attach' ? undefined : operation.ifMissing;
    if (missing === undefined) return done({ elements: [] });
    if (operation.version !== undefined) return failed('conflict', 'version: the element does not exist');
    const id = missing.id ?? ('id' in operation.target ? operation.target.id : undefined);
    const made = { ...missing, id, attributes: missing.attributes ?? {} };
    const rewritten = this.#rewritten(made.attributes, { kind: 'vertex', type: made.type }, operation);
    return rewritten.ok ? this.#create(made, operation, rewritten.value) : rewritten;
  }

  #delete(operation: OperationOf<'delete'>, index: number): Outcome<PendingResult> {
    const overlay = this.#overlay;
    const selected = this.#select(operation, index);
    if (!selected.ok) return selected;
    const ids = selected.value.map((row) => row.element.id);
    const { after } = operation;
    let cascaded = 0;
    for (const id of ids) {
      const row = overlay.living(id);
      // The edge was just deleted with its vertex.
      if (row === undefined) continue;
      if (row.element.kind === 'vertex') {
        const edges = overlay.edgesOf(id);
        cascaded += edges.length;
        if (cascaded > MAX_CASCADE) return failed('too-large', `more than ${MAX_CASCADE} edges would be deleted`);
        for (const edge of edges) {
          const disconnected = this.#remove(edge, 'disconnect', {});
          if (!disconnected.ok) return disconnected;
        }
      }
      const deleted = this.#remove(row, row.element.kind === 'edge' ? 'disconnect' : 'delete', { after });
      if (!deleted.ok) return deleted;
    }
    const elements = ids.flatMap((id) => overlay.row(id)?.element ?? []);
    return done({ elements });
  }

  #remove(row: Row, action: 'delete' | 'disconnect', guards: Guards): Outcome<Element> {
    const removed = this.#overlay.change(row, { action, element: { ...row.element, deleted: true }, uniqueNames: row.uniqueNames });
    return removed.ok ? this.#check(removed.value, guards) : removed;
  }

  #writeValues(operation: OperationOf<'write-values'>, index: number): Outcome<PendingResult> {
    const selected = this.#select(operation, index);
    if (!selected.ok) return selected;
    const elements: Element[] = [];
    for (const row of selected.value) {
      if (row.element.kind !== 'vertex') return failed('invalid', 'only a vertex has values');
      const uniqueNames = namesOf(row.uniqueNames, operation.unique);
      const written = this.#overlay.change(row, { action: 'write-values', element: row.element, uniqueNames });
      const checked = written.ok ? this.#check(written.value, operation) : written;
      if (!checked.ok) return checked;
      this.#overlay.values.push({ id: row.element.id, seq: checked.value.seq, values: operation.values });
      elements.push(checked.value);
    }
    return done({ elements });
  }

  /**
   * The rows that an operation changes, after checking all guards on the state before. Empty only if criteria found nothing, or if the id is unknown
   * and the operation creates the element (or expects nothing).
   */
  #select(operation: Targeted, index: number): Outcome<readonly Row[]> {
    const { target, expect, atMost, version, before } = operation;
    const rows =
      'id' in target
        ? this.#byId(target)
        : this.#byCriteria(target.where, index, 'unchangedOnly' in operation && operation.unchangedOnly === true);
    const makes = 'ifMissing' in operation && operation.ifMissing !== undefined;
    if (rows.length === 0 && 'id' in target && !makes && expect !== 0) return failed('not-found');
    if (rows.length > MAX_SELECTED) return failed('too-large', `more than ${MAX_SELECTED} elements are selected`);
    const count = rows.length === 0 && makes ? 1 : rows.length;
    if (expect !== undefined && count !== expect) return failed('conflict', `expect: ${count} are selected`);
    if (atMost !== undefined && count > atMost) return failed('not-allowed', `atMost: ${count} are selected`);
    if (version !== undefined && rows.some((row) => row.element.version !== version)) return failed('conflict', 'version');
    if (before !== undefined) {
      const matches = compile(before);
      if (!rows.every((row) => matches(row.element))) return failed('not-allowed', 'before');
    }
    return done(rows);
  }

  #byId({ id, where }: { readonly id: string; readonly where?: Filter }): readonly Row[] {
    const row = this.#overlay.living(id);
    return row === undefined || (where !== undefined && !compile(where)(row.element)) ? [] : [row];
  }

  /** Candidates found by SQL and elements written by this batch, each checked in its current state. */
  #byCriteria(where: Filter, index: number, unchangedOnly: boolean): readonly Row[] {
    const candidates = this.#context.candidates.get(index);
    if (candidates === undefined) throw new Error(`the criteria of operation ${index} were not resolved`);
    const matches = compile(where);
    const rows: Row[] = [];
    for (const id of new Set([...candidates, ...this.#overlay.writtenIds()])) {
      const row = unchangedOnly && this.#overlay.changed(id) ? undefined : this.#overlay.living(id);
      if (row !== undefined && matches(row.element)) rows.push(row);
    }
    return rows;
  }

  /** Checks the conditions on a state after. */
  #check(state: Element, { after, schema }: Guards): Outcome<Element> {
    if (state.deleted) return after === undefined || compile(after)(state) ? done(state) : failed('not-allowed', 'after');
    const problem = problemOfState(state);
    if (problem !== undefined) return failed('invalid', problem);
    if (after !== undefined && !compile(after)(state)) return failed('not-allowed', 'after');
    if (schema !== undefined) {
      // A missing or deleted holder means that there is no schema.
      const holder = this.#overlay.row(schema.id)?.element;
      const value = schema.of === undefined ? state.attributes : (own(state.attributes, schema.of) ?? null);
      // Only an element of the protocol's own type counts: its id can be computed, so anybody could create one in another scope.
      const none = holder === undefined || holder.deleted || !hasHome(holder.type);
      const satisfied = none ? done(undefined) : this.#schemas.check(holder, schema.attribute, value);
      if (!satisfied.ok) return satisfied;
    }
    return done(state);
  }
}

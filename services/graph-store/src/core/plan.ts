/** Determines the rows that a request needs before it can be applied. */
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { edgeId } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { uniqueKeys } from './unique.ts';

/** Whether an id is an edge's: vertex ids never contain the separator of edge ids. */
export const isEdgeId = (id: string): boolean => id.includes('$$');

/** Criteria of one operation: find the ids, lock, load (and the adjacency of vertices if they are to be deleted). */
export interface PlannedCriteria {
  readonly operation: number;
  readonly filter: Filter;
  readonly deletes: boolean;
}

/** No list has duplicates. An id may be in `vertices` and in `shared`; then the stronger lock applies. */
export interface RowPlan {
  /** Vertices to be locked `for update`. */
  readonly vertices: readonly string[];
  /** Vertices to be locked `for share`: ends of edges, holders of schemas. */
  readonly shared: readonly string[];
  /** Edges to be locked `for update`. */
  readonly edges: readonly string[];
  /** Vertices (all in `vertices` too) whose living edges must be found, locked `for update` and loaded. */
  readonly adjacency: readonly string[];
  readonly criteria: readonly PlannedCriteria[];
  /** Unique keys known in advance (`uniqueKeys` of unique.ts); others are reported as `needs`. */
  readonly uniqueKeys: readonly string[];
  /** Ids that may belong to accounts: ends of edges, and ids of new elements. */
  readonly accounts: readonly string[];
  /** Blobs whose completeness must be checked. */
  readonly contents: readonly string[];
}

/** The rows that a valid request needs. Reads no rows. */
export function plan(request: Pick<MutationRequest, 'operations'>): RowPlan {
  const planner = new Planner();
  request.operations.forEach((operation, index) => {
    planner.add(operation, index);
  });
  return planner.plan();
}

/**
 * Whether an operation writes nothing to an existing element: it only requires that the element exists or matches. Concurrent requests with only
 * such operations on an element need not wait for each other. (If the element turns out to be missing or deleted, it is created; concurrent
 * creations conflict and are executed again separately.)
 */
function onlyReads(operation: Operation): boolean {
  if (operation.op !== 'update') return false;
  const { set, put, unset, touch, unique } = operation;
  return set === undefined && put === undefined && unset === undefined && touch !== true && unique === undefined;
}

class Planner {
  readonly #vertices = new Set<string>();
  readonly #shared = new Set<string>();
  readonly #edges = new Set<string>();
  readonly #adjacency = new Set<string>();
  readonly #criteria: PlannedCriteria[] = [];
  readonly #keys = new Set<string>();
  readonly #accounts = new Set<string>();
  readonly #contents = new Set<string>();

  plan(): RowPlan {
    return {
      vertices: [...this.#vertices],
      shared: [...this.#shared],
      edges: [...this.#edges],
      adjacency: [...this.#adjacency],
      criteria: this.#criteria,
      uniqueKeys: [...this.#keys],
      accounts: [...this.#accounts],
      contents: [...this.#contents],
    };
  }

  add(operation: Operation, index: number): void {
    switch (operation.op) {
      case 'create':
        if (operation.id !== undefined) this.#vertices.add(operation.id);
        if (operation.id !== undefined && operation.accounts === true) this.#accounts.add(operation.id);
        this.#unique(operation, operation.unique);
        break;
      case 'connect':
        this.#shared.add(operation.out).add(operation.in);
        if (operation.accounts === true) this.#accounts.add(operation.out).add(operation.in);
        this.#edges.add(edgeId(operation.out, operation.verb, operation.in));
        return;
      case 'update':
      case 'replace':
      case 'apply':
        if (operation.ifMissing?.id !== undefined) this.#vertices.add(operation.ifMissing.id);
        if (operation.ifMissing?.accounts === true && operation.ifMissing.id !== undefined) this.#accounts.add(operation.ifMissing.id);
        if (operation.ifMissing !== undefined) this.#unique(operation.ifMissing, operation.unique);
        if (onlyReads(operation) && 'id' in operation.target && !isEdgeId(operation.target.id)) this.#shared.add(operation.target.id);
        else this.#target(operation.target, index, false);
        break;
      case 'delete':
        this.#target(operation.target, index, true);
        break;
      case 'write-values':
        this.#target(operation.target, index, false);
        break;
      case 'attach':
        if (operation.content !== null) this.#contents.add(operation.content);
        this.#target(operation.target, index, false);
        break;
    }
    if (operation.schema !== undefined) this.#shared.add(operation.schema.id);
  }

  #target(target: Exclude<Operation, { op: 'create' | 'connect' }>['target'], operation: number, deletes: boolean): void {
    if (!('id' in target)) {
      this.#criteria.push({ operation, filter: target.where, deletes });
    } else if (isEdgeId(target.id)) {
      this.#edges.add(target.id);
    } else {
      this.#vertices.add(target.id);
      if (deletes) this.#adjacency.add(target.id);
    }
  }

  #unique(made: { type: string; xid?: string; attributes?: Parameters<typeof uniqueKeys>[2] }, names: readonly string[] = []): void {
    for (const key of uniqueKeys(made.type, made.xid, made.attributes ?? {}, names)) this.#keys.add(key);
  }
}

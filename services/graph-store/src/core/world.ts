/** The rows that a batch has loaded, with the writes of its requests. */
import type { Element } from '@polyedge/contracts/element';
import type { Row } from './pending.ts';

/**
 * The rows of one tenant. Every row is either known (loaded, or written by this batch) or unknown; applying a request that needs an
 * unknown row returns `needs`.
 */
export class TenantRows {
  readonly rows = new Map<string, Row | undefined>();
  /** Edges of a vertex, as loaded; edges connected by this batch are in `connected`. */
  readonly adjacency = new Map<string, readonly string[]>();
  readonly connected = new Map<string, string[]>();
  /** The current owner of a unique key; undefined if it is free. */
  readonly owners = new Map<string, string | undefined>();
  /** Accounts of the tenant as vertices, for ends of edges. Never written, so never among `rows`. */
  readonly accounts = new Map<string, Element>();
  /** Ids written by this batch, in the order of the first write. */
  readonly written = new Set<string>();
  /** Keys claimed or released by this batch, with their previous owners. */
  readonly ownersBefore = new Map<string, string | undefined>();
  /** Ids that were not stored before this batch. */
  readonly inserted = new Set<string>();

  /** A stored row, or undefined for an id that has none. Does nothing if the id is already known. */
  load(id: string, row: Row | undefined): void {
    if (!this.rows.has(id)) this.rows.set(id, row);
  }

  /** The ids of the living edges of a vertex; load their rows as well. */
  loadAdjacency(vertex: string, edges: readonly string[]): void {
    if (!this.adjacency.has(vertex)) this.adjacency.set(vertex, edges);
  }

  /** Sets the owner that a unique key has in the store. */
  loadOwner(key: string, id: string | undefined): void {
    if (!this.owners.has(key)) this.owners.set(key, id);
  }

  /** The final states to write; `stored` distinguishes an update from an insert. */
  *finalRows(): Generator<{ readonly row: Row; readonly stored: boolean }> {
    for (const id of this.written) {
      const row = this.rows.get(id);
      if (row !== undefined) yield { row, stored: !this.inserted.has(id) };
    }
  }

  /** The writes to the table of unique keys: first delete `freed`, then insert `claimed`. */
  keyChanges(): { readonly freed: readonly string[]; readonly claimed: readonly { readonly key: string; readonly id: string }[] } {
    const freed: string[] = [];
    const claimed: { key: string; id: string }[] = [];
    for (const [key, before] of this.ownersBefore) {
      const id = this.owners.get(key);
      if (id === before) continue;
      if (before !== undefined) freed.push(key);
      if (id !== undefined) claimed.push({ key, id });
    }
    return { freed, claimed };
  }
}

/** The state of one batch. Created anew for each attempt. */
export class World {
  readonly #tenants = new Map<string, TenantRows>();
  /** Changes made so far: the next one has the pending seq −(changes + 1). */
  changes = 0;
  /** Characters of the attributes in the states of these changes. */
  stateCharacters = 0;

  /** The rows of a tenant; initially none are known. */
  tenant(name: string): TenantRows {
    let rows = this.#tenants.get(name);
    if (rows === undefined) {
      rows = new TenantRows();
      this.#tenants.set(name, rows);
    }
    return rows;
  }

  tenants(): IterableIterator<[string, TenantRows]> {
    return this.#tenants.entries();
  }
}

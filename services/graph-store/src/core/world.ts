/** What a batch has loaded, and what its requests have made of it. */
import type { Element } from '@polyedge/contracts/element';
import type { Row } from './pending.ts';

/**
 * The rows of one tenant. Everything is either known (loaded, or made by this batch) or unknown; applying a request that meets something
 * unknown answers `needs`.
 */
export class TenantRows {
  readonly rows = new Map<string, Row | undefined>();
  /** Edges of a vertex, as loaded; edges connected by this batch are in `connected`. */
  readonly adjacency = new Map<string, readonly string[]>();
  readonly connected = new Map<string, string[]>();
  /** Who has a unique key now; undefined for nobody. */
  readonly owners = new Map<string, string | undefined>();
  /** Accounts of the tenant as vertices, for ends of edges. Never written, so never among `rows`. */
  readonly accounts = new Map<string, Element>();
  /** Ids that this batch wrote, in the order of their first writing. */
  readonly written = new Set<string>();
  /** Keys that this batch gave or took, with who had them before it. */
  readonly ownersBefore = new Map<string, string | undefined>();
  /** Ids that were not stored before this batch. */
  readonly inserted = new Set<string>();

  /** A stored row, or undefined for an id that has none. Does nothing for an id that is known already. */
  load(id: string, row: Row | undefined): void {
    if (!this.rows.has(id)) this.rows.set(id, row);
  }

  /** The ids of the living edges of a vertex; load their rows as well. */
  loadAdjacency(vertex: string, edges: readonly string[]): void {
    if (!this.adjacency.has(vertex)) this.adjacency.set(vertex, edges);
  }

  /** Who has a unique key in the store. */
  loadOwner(key: string, id: string | undefined): void {
    if (!this.owners.has(key)) this.owners.set(key, id);
  }

  /** The final states to write; `stored` tells an update from an insert. */
  *finalRows(): Generator<{ readonly row: Row; readonly stored: boolean }> {
    for (const id of this.written) {
      const row = this.rows.get(id);
      if (row !== undefined) yield { row, stored: !this.inserted.has(id) };
    }
  }

  /** What to write to the table of unique keys: first take `freed` away, then give `claimed`. */
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

/** Everything one batch works on. Made anew for each attempt of a batch. */
export class World {
  readonly #tenants = new Map<string, TenantRows>();
  /** Changes made so far: the next one has the pending seq −(changes + 1). */
  changes = 0;
  /** Characters of the attributes in the states of these changes. */
  stateCharacters = 0;

  /** The rows of a tenant; none are known at first. */
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

/** SPACE's access to elements: reads, and writes that are answered after their events were sent. */
import { randomBytes } from 'node:crypto';
import { graphGet, graphHistory, graphQuery, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import type { Change } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { FittingPages } from '@polyedge/contracts/fitting-pages';
import type { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import type { Filter } from '@polyedge/query/filter';
import type { Sort } from '@polyedge/query/query';
import { SPACE } from '../protocol/event.ts';

export interface Listed {
  readonly elements: readonly Element[];
  readonly count: number;
}

const PAGE_CHANGES = 100;
/** Elements read at once, where any number is read. */
const PAGE_ELEMENTS = 1000;
const REST = { protocol: SPACE, way: 'rest' } as const;
const SCOPE_TYPE = 'ogit/Auth/DataScope';

export class Graph {
  readonly tenant: string;
  readonly #rest: RestTasks;
  #scope: string | undefined;

  constructor(rest: RestTasks, tenant: string) {
    this.#rest = rest;
    this.tenant = tenant;
  }

  /** Undefined until `findScope` has found it. */
  get scope(): string | undefined {
    return this.#scope;
  }

  /**
   * Looks up the tenant's default scope, which graph-store created on its first start.
   * @returns whether it is known now
   */
  async findScope(): Promise<boolean> {
    const found = await this.find(
      {
        all: [
          { test: 'equal', path: ['type'], value: SCOPE_TYPE },
          { test: 'equal', path: ['xid'], value: `scope:${this.tenant}` },
        ],
      },
      { limit: 1 },
    );
    if (found.ok) this.#scope = found.value.elements[0]?.id ?? this.#scope;
    return this.#scope !== undefined;
  }

  async find(
    filter: Filter,
    page: { readonly limit: number; readonly offset?: number; readonly sort?: readonly Sort[]; readonly count?: boolean },
  ): Promise<Outcome<Listed>> {
    const outcome = await this.#rest.requestWithRetries(graphQuery, { tenant: this.tenant }, { filter, ...page });
    if (!outcome.ok) return outcome;
    const { elements, count } = outcome.value;
    return { ok: true, value: { elements, count: count ?? elements.length } };
  }

  /** Elements that match a filter: at most so many, and fewer if they are too large for one answer. None only if none matches. */
  async some(filter: Filter, most: number): Promise<Outcome<readonly Element[]>> {
    const found = await new FittingPages(most).read((limit) => this.find(filter, { limit }));
    return found.ok ? { ok: true, value: found.value.elements } : found;
  }

  /** Shows every element that matches a filter, in any number, with some of its attributes. Pages do not share one state. */
  async every(filter: Filter, fields: readonly string[], see: (element: Element) => void): Promise<Outcome<undefined>> {
    const pages = new FittingPages(PAGE_ELEMENTS);
    for (let cursor: string | undefined; ; ) {
      const wanted = { filter, fields: [...fields], ...(cursor === undefined ? {} : { cursor }) };
      const outcome = await pages.read((limit) => this.#rest.requestWithRetries(graphQuery, { tenant: this.tenant }, { ...wanted, limit }));
      if (!outcome.ok) return outcome;
      outcome.value.elements.forEach(see);
      cursor = outcome.value.cursor;
      if (cursor === undefined) return { ok: true, value: undefined };
    }
  }

  /** The single element that matches a filter, if any. */
  async findOne(filter: Filter): Promise<Outcome<Element | undefined>> {
    const found = await this.find(filter, { limit: 1 });
    return found.ok ? { ok: true, value: found.value.elements[0] } : found;
  }

  /** Those with an existing id. */
  async get(ids: readonly string[]): Promise<Outcome<readonly Element[]>> {
    if (ids.length === 0) return { ok: true, value: [] };
    const outcome = await this.#rest.requestWithRetries(graphGet, { tenant: this.tenant }, { ids: [...ids] });
    return outcome.ok ? { ok: true, value: outcome.value.elements.filter((element) => element !== null) } : outcome;
  }

  /** Shows those with an existing id, in any number: what is too large for one answer is read in parts. */
  async each(ids: readonly string[], see: (element: Element) => void): Promise<Outcome<undefined>> {
    const pages = new FittingPages(PAGE_ELEMENTS);
    for (let at = 0; at < ids.length; at += pages.limit) {
      const part = await pages.read((limit) => this.get(ids.slice(at, at + limit)));
      if (!part.ok) return part;
      part.value.forEach(see);
    }
    return { ok: true, value: undefined };
  }

  /** Shows the changes of an element since a time, oldest first. They are read in pages: each has a whole state of the element. */
  async history(id: string, from: number, see: (change: Change) => void): Promise<Outcome<undefined>> {
    const pages = new FittingPages(PAGE_CHANGES);
    for (let afterSeq: number | undefined; ; ) {
      const place = afterSeq === undefined ? {} : { afterSeq };
      const outcome = await pages.read((limit) =>
        this.#rest.requestWithRetries(graphHistory, { tenant: this.tenant }, { elements: [id], from, order: 'asc', limit, ...place }),
      );
      if (!outcome.ok) return outcome;
      for (const change of outcome.value.changes) see(change);
      afterSeq = outcome.value.changes.at(-1)?.seq;
      if (!outcome.value.more || afterSeq === undefined) return { ok: true, value: undefined };
    }
  }

  /**
   * Writes atomically, retrying for up to 60 s while the outcome is unknown. Resolves when this replica has sent the events to its sockets,
   * so that an event precedes the answer of its call.
   * @param operation the operation in SPACE's terms, which names the event
   * @param quiet there is no event to wait for
   */
  async write(operation: string, by: string, operations: Operation[], quiet = false): Promise<Outcome<MutationResult>> {
    const defaultScope = this.#scope;
    if (defaultScope === undefined) return failed('unavailable', 'the store is not ready');
    const who = { tenant: this.tenant, defaultScope, account: by, app: SPACE };
    return this.#rest.write({ what: operation, operations }, { who, origin: REST, ...(quiet ? {} : { own: 'events-first' }) });
  }
}

/** Ids in the form of SPACE's clients: 24 hex digits. */
export const newId = (): string => randomBytes(12).toString('hex');

/**
 * PostgreSQL as graph-store uses it, in memory: batches that lock and read their rows, and then take effect whole or not at all, with the
 * journal, the sequencer, operation ids and the publisher's lease. The rules of a request are the real ones (`src/core`).
 */
import type { MutationOutcome } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { failed } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import { compareBy, type Sort } from '@polyedge/query/query';
import { applyRequest } from '../src/core/apply.ts';
import { type Applied, assignChangeSeqs, assignElementSeq, assignSeq } from '../src/core/pending.ts';
import { plan } from '../src/core/plan.ts';
import { Schemas } from '../src/core/schema.ts';
import { slotOf } from '../src/core/slot.ts';
import { World } from '../src/core/world.ts';
import type { Item } from '../src/executor/messages.ts';
import type { Journal } from '../src/postgres/journal.ts';
import { ELSEWHERE, MOVING } from '../src/postgres/tenants-elsewhere.ts';
import type { Committed } from '../src/publisher/recent.ts';
import {
  arrive,
  copyOf,
  type DatabaseState,
  isSameRequest,
  journalOf,
  keyOf,
  type Lease,
  livingAt,
  loadRows,
  ofSlots,
  pieceOf,
  removed,
  repeatOf,
  writeRows,
} from './database-state.ts';
import { type Holder, LockModel } from './lock-model.ts';
import type { Piece, Remembered, Success } from './moving-model.ts';

export interface CommittedBatch {
  readonly epoch: string;
  readonly outcomes: readonly MutationOutcome[];
  readonly changes: readonly Committed[];
}

/** One batch under way. */
export interface OpenBatch {
  /**
   * Applies and writes everything. `collision`: a row that was read as missing is there by now. `over`: it was rolled back before.
   * @param on milliseconds since 1970
   */
  commit(on: number): CommittedBatch | 'collision' | 'over';
  /** Twice is fine, and so is after its end. */
  rollback(): void;
}

export interface DatabaseModelOptions {
  /** What its epochs are called by: each is another one than those of any other database. Default `e`. */
  readonly epochs?: string;
  /** Default true: requests that succeeded are known again by their operation ids. */
  readonly remembers?: boolean;
  /** Rows are read by a later statement than the one that locks them: a mistake that a test plants. */
  readonly readsLater?: boolean;
}

const MAX_NEEDS = 8;

export class DatabaseModel {
  /** Tenants that are in another journal, and those that are not written because they are on their way there. */
  readonly away = new Map<string, 'moving' | 'left'>();
  readonly #schemas = new Schemas();
  readonly #options: DatabaseModelOptions;
  readonly #locks = new LockModel();
  /** Batches under way, with what rolls each back. */
  readonly #open = new Set<OpenBatch>();
  #state: DatabaseState = {
    epoch: '',
    rows: new Map(),
    keys: new Map(),
    journal: [],
    slots: [],
    operations: new Map(),
    lease: { holder: '', fence: 0, until: -1, publishedSeq: 0 },
  };
  /** Another one is another copy: what the epoch is settled by. */
  #timeline = 1;
  #settledTimeline = 1;
  #epochs = 1;
  #ids = 0;

  constructor(options: DatabaseModelOptions = {}) {
    this.#options = options;
    this.#state = { ...this.#state, epoch: this.#newEpoch };
  }

  get #newEpoch(): string {
    return `${this.#options.epochs ?? 'e'}${this.#epochs}`;
  }

  get epoch(): string {
    return this.#state.epoch;
  }

  get journal(): readonly FullChange[] {
    return this.#state.journal;
  }

  get seq(): number {
    return this.#state.journal.length;
  }

  get lease(): Lease {
    return this.#state.lease;
  }

  element(tenant: string, id: string): Element | undefined {
    return this.#state.rows.get(keyOf(tenant, id))?.element;
  }

  elements(tenant: string): Element[] {
    return [...this.#state.rows.values()].map(({ element }) => element).filter((element) => element.tenant === tenant && !element.deleted);
  }

  /**
   * One batch in one transaction, with nothing beside it.
   * @param on milliseconds since 1970
   */
  commit(items: readonly Item[], on: number): CommittedBatch {
    const committed = this.begin(items, true, () => {}).commit(on);
    if (typeof committed === 'string') throw new Error(`another batch is under way: ${committed}`);
    return committed;
  }

  /**
   * Begins a batch: its rows are locked, one after the other, and read as they are then. A row that was not there when it began is not seen.
   * @param alone when no other batch is under way
   * @param loaded called when everything is locked and read, at once or when others have ended
   */
  begin(items: readonly Item[], alone: boolean, loaded: () => void): OpenBatch {
    const holder: Holder = { rows: new Set() };
    const world = new World();
    /** Tenants that may not be written, as of the moment at which the batch has its lock. */
    let away: ReadonlyMap<string, 'moving' | 'left'> = this.away;
    const end = (): void => {
      this.#open.delete(batch);
      this.#locks.leave(holder);
    };
    const batch: OpenBatch = {
      rollback: end,
      commit: (on) => {
        if (!this.#open.has(batch)) return 'over';
        const committed = this.#commit(world, items, on, holder, away);
        end();
        return committed;
      },
    };
    this.#open.add(batch);
    this.#locks.enter(holder, alone, () => {
      away = new Map(this.away);
      this.#lock(holder, world, items, loaded);
    });
    return batch;
  }

  /** Does something while no batch is under way. */
  whenQuiet(work: () => void): void {
    const holder: Holder = { rows: new Set() };
    this.#locks.enter(holder, true, () => {
      work();
      this.#locks.leave(holder);
    });
  }

  /** All connections break: what was not committed never was. */
  disconnect(): void {
    for (const batch of [...this.#open]) batch.rollback();
  }

  #lock(holder: Holder, world: World, items: readonly Item[], loaded: () => void): void {
    const plans = items.map(({ tenant, request }) => ({ tenant, ...plan(request) }));
    const wanted = plans.flatMap(({ tenant, vertices, shared, edges }) => [...vertices, ...shared, ...edges].map((id) => ({ tenant, id })));
    const isThere = ({ tenant, id }: { readonly tenant: string; readonly id: string }): boolean => this.#state.rows.has(keyOf(tenant, id));
    const there = wanted.filter(isThere);
    const keys = [...new Set(there.map(({ tenant, id }) => keyOf(tenant, id)))].sort();
    const lockFrom = (at: number): void => {
      const key = keys[at];
      if (key !== undefined) {
        this.#locks.row(holder, key, () => lockFrom(at + 1));
        return;
      }
      for (const { tenant, id } of this.#options.readsLater === true ? wanted : there)
        loadRows(this.#state, world.tenant(tenant), tenant, [id], [], []);
      // Whatever has been made since.
      for (const { tenant, id } of wanted) world.tenant(tenant).load(id, undefined);
      for (const { tenant, adjacency, uniqueKeys } of plans) loadRows(this.#state, world.tenant(tenant), tenant, [], adjacency, uniqueKeys);
      loaded();
    };
    lockFrom(0);
  }

  #commit(
    world: World,
    items: readonly Item[],
    on: number,
    holder: Holder,
    refused: ReadonlyMap<string, 'moving' | 'left'>,
  ): CommittedBatch | 'collision' {
    const { epoch, journal, slots, operations } = this.#state;
    const base = journal.length;
    const outcomes: MutationOutcome[] = [];
    const changes: Committed[] = [];
    const made = new Map<string, Remembered>();
    for (const item of items) {
      const { tenant, request } = item;
      const away = refused.get(tenant);
      if (away !== undefined) {
        outcomes.push(away === 'left' ? ELSEWHERE : MOVING);
        continue;
      }
      const earlier = operations.get(request.operationId) ?? made.get(request.operationId);
      if (earlier !== undefined) {
        outcomes.push(
          isSameRequest(earlier, item)
            ? { ok: true, value: { ...earlier.outcome.value, repeated: true } }
            : failed('conflict', 'another request was made under this operation id'),
        );
        continue;
      }
      const applied = this.#apply(world, item, on);
      if (applied.outcome === 'failed') {
        outcomes.push({ ok: false, failure: applied.failure, operation: applied.operation });
        continue;
      }
      const first = assignSeq(applied.changes[0]?.seq ?? 0, base);
      const last = assignSeq(applied.changes.at(-1)?.seq ?? 0, base);
      for (const change of applied.changes)
        changes.push({ change: assignChangeSeqs(change, base, epoch, first, last), attributesJson: change.attributesJson });
      const results = applied.operations.map((result) => ({
        ...result,
        elements: result.elements.map((element) => assignElementSeq(element, base)),
      }));
      const outcome: Success = { ok: true, value: { first, last, operations: results } };
      made.set(request.operationId, { tenant, request, outcome });
      outcomes.push(outcome);
    }
    if (this.#collides(world, holder)) return 'collision';
    for (const { change } of changes) {
      journal.push(change);
      slots.push(slotOf(change.id));
    }
    if (this.#options.remembers !== false) for (const [id, remembered] of made) operations.set(id, remembered);
    writeRows(this.#state, world, base);
    return { epoch, outcomes, changes };
  }

  /** Whether what was read as missing is there now, or what was not foreseen is in other hands. */
  #collides(world: World, holder: Holder): boolean {
    for (const [tenant, rows] of world.tenants()) {
      for (const { row, stored } of rows.finalRows()) {
        const key = keyOf(tenant, row.element.id);
        if (stored ? this.#locks.isHeld(holder, key) : this.#state.rows.has(key)) return true;
      }
      const { freed, claimed } = rows.keyChanges();
      for (const { key, id } of claimed) {
        const owner = this.#state.keys.get(keyOf(tenant, key));
        if (owner !== undefined && owner !== id && !freed.includes(key)) return true;
      }
    }
    return false;
  }

  /** What is remembered of these requests. */
  lookUp(items: readonly Item[]): { readonly epoch: string; readonly found: (MutationOutcome | undefined)[] } {
    return { epoch: this.epoch, found: items.map((item) => repeatOf(this.#state, item)) };
  }

  /** The living elements that match, in order. */
  query(tenant: string, filter: Filter, sort: readonly Sort[]): Element[] {
    return this.elements(tenant).filter(compile(filter)).sort(compareBy(sort));
  }

  /** The same as it was when so much of the journal was written. */
  queryAt(tenant: string, filter: Filter, sort: readonly Sort[], seq: number): Element[] {
    if (seq === this.seq) return this.query(tenant, filter, sort);
    return livingAt(this.journal.slice(0, seq), tenant).filter(compile(filter)).sort(compareBy(sort));
  }

  // ---- the journal

  /** @param check fails when the database cannot be reached */
  journalFor(check: () => void): Journal {
    return journalOf(() => this.#state, check);
  }

  after(seq: number, limit: number): FullChange[] {
    return this.journal.slice(seq, seq + limit);
  }

  ofSlots(slots: readonly number[], after: number, upTo: number, limit: number): FullChange[] {
    return ofSlots(this.#state, slots, after, upTo, limit);
  }

  // ---- the publisher's lease

  /** @param now on the database's clock */
  take(holder: string, above: number, ttlMs: number, now: number): { readonly fence: number; readonly publishedSeq: number } | undefined {
    const { lease } = this.#state;
    if (lease.until >= now && lease.holder !== holder) return undefined;
    this.#setLease({ ...lease, holder, fence: Math.max(lease.fence, above) + 1, until: now + ttlMs });
    return { fence: this.lease.fence, publishedSeq: lease.publishedSeq };
  }

  /** @param until -1: it is given back. False: it is somebody else's now. */
  renew(holder: string, fence: number, publishedSeq: number, until: number): boolean {
    const { lease } = this.#state;
    if (lease.holder !== holder || lease.fence !== fence) return false;
    this.#setLease({ ...lease, until, publishedSeq: Math.max(lease.publishedSeq, publishedSeq) });
    return true;
  }

  #setLease(lease: Lease): void {
    this.#state = { ...this.#state, lease };
  }

  // ---- tenants that move

  /** Changes of a tenant after a seq, with what there is of them, in its order. The changes of one request are not divided. */
  pieceOf(tenant: string, after: number, limit: number): Piece {
    return pieceOf(this.#state, tenant, after, limit);
  }

  /**
   * Takes a piece of another journal under numbers of this one.
   * @param numbers which number of the other journal became which, of all pieces; those of this one are added
   */
  arrive(piece: Piece, numbers: Map<number, number>): FullChange[] {
    return arrive(this.#state, piece, numbers);
  }

  /** A tenant that has left: its changes keep their numbers and lose their contents. */
  remove(tenant: string): void {
    this.#state = removed(this.#state, tenant);
  }

  // ---- copies

  /** @returns what makes this copy the one that is in use, as a failover to a standby that was behind does */
  copy(): () => void {
    const copied = copyOf(this.#state);
    return () => {
      this.disconnect();
      this.#timeline += 1;
      this.#state = copied();
    };
  }

  /** Whether the history is still the same one; another epoch begins when it is not. */
  settle(): { readonly epoch: string; readonly changed: boolean } {
    if (this.#timeline === this.#settledTimeline) return { epoch: this.epoch, changed: false };
    this.#settledTimeline = this.#timeline;
    this.#epochs += 1;
    const { lease } = this.#state;
    this.#state = { ...this.#state, epoch: this.#newEpoch, lease: { ...lease, publishedSeq: Math.min(lease.publishedSeq, this.seq) } };
    return { epoch: this.epoch, changed: true };
  }

  // ---- a batch

  #apply(world: World, { tenant, defaultScope, request }: Item, on: number): Exclude<Applied, { outcome: 'needs' }> {
    const rows = world.tenant(tenant);
    const candidates = new Map<number, string[]>();
    for (const { operation, filter, deletes } of plan(request).criteria) {
      const ids = this.query(tenant, filter, []).map(({ id }) => id);
      candidates.set(operation, ids);
      loadRows(this.#state, rows, tenant, ids, deletes ? ids : [], []);
    }
    const context = {
      tenant,
      defaultScope,
      homeScope: defaultScope,
      on,
      candidates,
      contents: new Set<string>(),
      newId: () => this.#newId(),
    };
    for (let attempt = 0; attempt < MAX_NEEDS; attempt += 1) {
      const applied = applyRequest(world, request, context, this.#schemas);
      if (applied.outcome !== 'needs') return applied;
      const { ids, adjacency, uniqueKeys } = applied.needs;
      loadRows(this.#state, rows, tenant, ids, adjacency, uniqueKeys);
    }
    return { outcome: 'failed', failure: { code: 'too-large' }, operation: 0 };
  }

  #newId(): string {
    this.#ids += 1;
    return `new-${this.#ids}`;
  }
}

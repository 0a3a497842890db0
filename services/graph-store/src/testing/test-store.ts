/** The batch executor without PostgreSQL, for the core's tests only. */
import assert from 'node:assert/strict';
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Failure } from '@polyedge/contracts/errors';
import { compile } from '@polyedge/query/predicate';
import { applyRequest } from '../core/apply.ts';
import { assignChangeSeqs, assignElementSeq, assignSeq, type PendingResult, type PendingValues, type Row } from '../core/pending.ts';
import { plan } from '../core/plan.ts';
import { Schemas } from '../core/schema.ts';
import { uniqueKeys } from '../core/unique.ts';
import { validateRequest } from '../core/validate.ts';
import { World } from '../core/world.ts';

export type TestOutcome =
  | { readonly ok: true; readonly operations: readonly PendingResult[]; readonly changes: readonly FullChange[] }
  | { readonly ok: false; readonly failure: Failure; readonly operation?: number };

const TENANT = 'acme';

/** Committed rows and journal of one tenant. */
export class TestStore {
  readonly rows = new Map<string, Row>();
  readonly keys = new Map<string, string>();
  readonly journal: FullChange[] = [];
  readonly values: PendingValues[] = [];
  readonly contents = new Set<string>();
  defaultScope = 'main';
  /** The number of times that rows had to be loaded which no plan had predicted. */
  needs = 0;
  readonly #schemas = new Schemas();
  #ids = 0;
  #now = 1_000;

  /** Applies requests as one batch; the rows of all requests are loaded first. */
  batch(...requests: readonly (readonly Operation[])[]): TestOutcome[] {
    const world = new World();
    const tenant = world.tenant(TENANT);
    const base = this.journal.length;
    const valid = requests.map((operations) => {
      const request = requestOf(operations);
      const refused = validateRequest(request);
      if (!refused.ok) return { refused };
      const planned = plan(request);
      const candidates = new Map<number, string[]>();
      for (const { operation, filter, deletes } of planned.criteria) {
        const matches = compile(filter);
        const found = [...this.rows.values()].filter((row) => !row.element.deleted && matches(row.element)).map((row) => row.element.id);
        candidates.set(operation, found);
        this.#load(tenant, found, deletes ? found.filter((id) => !id.includes('$$')) : [], []);
      }
      this.#load(tenant, [...planned.vertices, ...planned.shared, ...planned.edges], planned.adjacency, planned.uniqueKeys);
      return { request, candidates };
    });
    const pending = valid.map((entry) => {
      if (entry.refused !== undefined)
        return { outcome: 'failed', failure: entry.refused.failure, operation: entry.refused.operation ?? 0 } as const;
      this.#now += 1;
      const context = {
        tenant: TENANT,
        defaultScope: this.defaultScope,
        homeScope: 'main',
        on: this.#now,
        newId: () => `new-${++this.#ids}`,
        candidates: entry.candidates,
        contents: this.contents,
      };
      for (let attempt = 0; attempt < 10; attempt += 1) {
        const applied = applyRequest(world, entry.request, context, this.#schemas);
        if (applied.outcome !== 'needs') return applied;
        this.needs += 1;
        this.#load(tenant, applied.needs.ids, applied.needs.adjacency, applied.needs.uniqueKeys);
      }
      throw new Error('a request never has what it needs');
    });
    return this.#commit(world, base, pending);
  }

  /** Applies one request as a batch. */
  request(...operations: readonly Operation[]): TestOutcome {
    const [outcome] = this.batch(operations);
    assert.ok(outcome);
    return outcome;
  }

  element(id: string): Element | undefined {
    return this.rows.get(id)?.element;
  }

  /** All states of an element, oldest first, computed from the current state by applying the undos. */
  history(id: string): (Element | undefined)[] {
    const states: (Element | undefined)[] = [this.element(id)];
    for (const change of this.journal.filter((entry) => entry.id === id).reverse()) {
      const state = states[0];
      assert.ok(state);
      assert.deepEqual(state, change.state);
      states.unshift(stateBefore(state, change.undo));
    }
    return states;
  }

  #load(tenant: ReturnType<World['tenant']>, ids: readonly string[], adjacency: readonly string[], keys: readonly string[]): void {
    for (const id of ids) tenant.load(id, this.rows.get(id));
    for (const vertex of adjacency) {
      const edges = [...this.rows.values()].filter(({ element }) => !element.deleted && (element.out === vertex || element.in === vertex));
      tenant.loadAdjacency(
        vertex,
        edges.map((edge) => edge.element.id),
      );
      for (const edge of edges) tenant.load(edge.element.id, edge);
    }
    for (const key of keys) tenant.loadOwner(key, this.keys.get(key));
  }

  #commit(world: World, base: number, pending: readonly ReturnType<typeof applyRequest>[]): TestOutcome[] {
    const outcomes = pending.map((applied): TestOutcome => {
      if (applied.outcome === 'needs') throw new Error('unreachable');
      if (applied.outcome === 'failed') return { ok: false, failure: applied.failure, operation: applied.operation };
      const first = assignSeq(applied.changes[0]?.seq ?? 0, base);
      const last = assignSeq(applied.changes.at(-1)?.seq ?? 0, base);
      const changes = applied.changes.map((change) => {
        assert.equal(change.attributesJson, JSON.stringify(change.state.attributes));
        return assignChangeSeqs(change, base, 'e1', first, last);
      });
      this.journal.push(...changes);
      this.values.push(...applied.values.map((values) => ({ ...values, seq: assignSeq(values.seq, base) })));
      const operations = applied.operations.map((result) => ({
        ...result,
        elements: result.elements.map((element) => assignElementSeq(element, base)),
      }));
      return { ok: true, operations, changes };
    });
    const tenant = world.tenant(TENANT);
    for (const { row, stored } of tenant.finalRows()) {
      assert.equal(stored, this.rows.has(row.element.id));
      this.rows.set(row.element.id, { element: assignElementSeq(row.element, base), uniqueNames: row.uniqueNames });
    }
    const { freed, claimed } = tenant.keyChanges();
    for (const key of freed) assert.ok(this.keys.delete(key), 'a freed key was there');
    for (const { key, id } of claimed) {
      assert.ok(!this.keys.has(key), 'a claimed key was free');
      this.keys.set(key, id);
    }
    return outcomes;
  }

  /** Checks the invariants. */
  check(): void {
    assert.deepEqual(
      this.journal.map((change) => change.seq),
      this.journal.map((_, at) => at + 1),
      'seqs are dense',
    );
    const wanted = new Map<string, string>();
    for (const { element, uniqueNames } of this.rows.values()) {
      const changes = this.journal.filter((change) => change.id === element.id);
      assert.deepEqual(
        changes.map((change) => change.version),
        changes.map((_, at) => at + 1),
        'versions are dense',
      );
      const history = this.history(element.id);
      assert.equal(history[0], undefined, 'nothing was there before the first change');
      for (const [at, change] of changes.entries()) assert.deepEqual(history[at + 1], change.state, 'folding back is exact');
      if (element.deleted) continue;
      for (const key of uniqueKeys(element.type, element.xid, element.attributes, uniqueNames)) {
        assert.ok(!wanted.has(key), 'a unique value stands once');
        wanted.set(key, element.id);
      }
      if (element.kind === 'edge') {
        for (const end of [element.out, element.in]) assert.equal(this.element(end ?? '')?.deleted, false, 'an edge has living ends');
      }
    }
    assert.deepEqual(new Map([...this.keys].sort()), new Map([...wanted].sort()), 'the unique keys are those of the living');
  }
}

const requestOf = (operations: readonly Operation[]): MutationRequest => ({
  operationId: '0'.repeat(32),
  by: 'anna',
  app: 'test',
  origin: { protocol: 'hiro', way: 'socket', operation: 'test' },
  operations: [...operations],
});

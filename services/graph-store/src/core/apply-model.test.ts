import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '@polyedge/contracts/bus/graph';
import { equalJson } from '@polyedge/query/equality';
import type { Filter } from '@polyedge/query/filter';
import type { Json, JsonObject } from '@polyedge/query/json';
import fc from 'fast-check';
import { TestStore } from '../testing/test-store.ts';
import { isEdgeId } from './plan.ts';

/** An independent, naive model: all state is a plain record, and a request works on a full copy. */
interface Thing {
  id: string;
  type: string;
  xid: string | undefined;
  attributes: { [name: string]: Json };
  version: number;
  deleted: boolean;
  names: string[];
}
type Things = Map<string, Thing>;

class Refused extends Error {}
const refuse = (code: string): never => {
  throw new Refused(code);
};

class Model {
  things: Things = new Map();
  changes = 0;
  #made = 0;

  request(operations: readonly Operation[]): string {
    const [things, changes] = [structuredClone(this.things), this.changes];
    try {
      for (const operation of operations) this.#run(operation);
      return 'ok';
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      [this.things, this.changes] = [things, changes];
      return error.message;
    }
  }

  #run(operation: Operation): void {
    switch (operation.op) {
      case 'create':
        this.#create(operation.id, operation.type, operation.xid, operation.attributes, operation.unique ?? []);
        return;
      case 'connect': {
        const ends = [this.#living(operation.out), this.#living(operation.in)];
        if (ends.some((end) => end === undefined)) refuse('not-found');
        const id = `${operation.out}$$${operation.verb}$$${operation.in}`;
        if (this.#living(id) === undefined) this.#put(id, operation.verb, undefined, operation.attributes ?? {}, []);
        else if (operation.ifExists !== 'keep') refuse('conflict');
        return;
      }
      case 'delete':
        for (const thing of this.#select(operation)) {
          for (const edge of [...this.things.values()]) {
            const [out, , into] = edge.id.split('$$');
            if (isEdgeId(edge.id) && !edge.deleted && (out === thing.id || into === thing.id)) this.#remove(edge);
          }
          if (!thing.deleted) this.#remove(thing);
        }
        return;
      case 'update':
      case 'apply': {
        const things = this.#select(operation);
        if (things.length === 0 && operation.ifMissing !== undefined) {
          const { type, xid, attributes = {} } = operation.ifMissing;
          const id = operation.ifMissing.id ?? ('id' in operation.target ? operation.target.id : undefined);
          this.#create(id, type, xid, this.#rewrite(operation, attributes), operation.unique ?? []);
        }
        for (const thing of things) {
          const next = this.#rewrite(operation, thing.attributes);
          const names = [...new Set([...thing.names, ...(operation.unique ?? [])])];
          if (equalJson(next, thing.attributes) && operation.touch !== true && names.length === thing.names.length) continue;
          this.#put(thing.id, thing.type, thing.xid, next, names);
        }
        return;
      }
      default:
        throw new Error(`the model knows no ${operation.op}`);
    }
  }

  #rewrite(operation: Extract<Operation, { op: 'update' | 'apply' }>, attributes: JsonObject): JsonObject {
    const next: { [name: string]: Json } = { ...attributes };
    if (operation.op === 'update') {
      Object.assign(next, operation.set);
      for (const name of operation.unset ?? []) delete next[name];
      return next;
    }
    const current = next[operation.attribute];
    if (typeof operation.value !== 'number' || (current != null && typeof current !== 'number')) return refuse('invalid');
    next[operation.attribute] = ((current as number | null | undefined) ?? 0) + operation.value;
    return next;
  }

  #select(operation: Extract<Operation, { op: 'update' | 'apply' | 'delete' }>): Thing[] {
    const { target, expect, version } = operation;
    const makes = operation.op !== 'delete' && operation.ifMissing !== undefined;
    const things =
      'id' in target
        ? [this.#living(target.id)].filter((thing) => thing !== undefined)
        : [...this.things.values()].filter((thing) => !thing.deleted && matches(thing, target.where));
    if (things.length === 0 && 'id' in target && !makes && expect !== 0) refuse('not-found');
    if (expect !== undefined && (things.length === 0 && makes ? 1 : things.length) !== expect) refuse('conflict');
    if (version !== undefined && (things.some((thing) => thing.version !== version) || (things.length === 0 && makes))) refuse('conflict');
    return things;
  }

  #create(id: string | undefined, type: string, xid: string | undefined, attributes: JsonObject, names: readonly string[]): void {
    if (id !== undefined && this.#living(id) !== undefined) refuse('conflict');
    this.#made += 1;
    this.#put(id ?? `made-${this.#made}`, type, xid, attributes, [...names]);
  }

  #put(id: string, type: string, xid: string | undefined, attributes: JsonObject, names: string[]): void {
    for (const other of this.things.values()) {
      if (other.deleted || other.id === id) continue;
      if (xid !== undefined && other.xid === xid) refuse('conflict');
      const clashes = (name: string) =>
        other.type === type && other.names.includes(name) && attributes[name] != null && other.attributes[name] === attributes[name];
      if (names.some(clashes)) refuse('conflict');
    }
    const version = (this.things.get(id)?.version ?? 0) + 1;
    this.things.set(id, { id, type, xid, attributes: { ...attributes }, version, deleted: false, names });
    this.changes += 1;
  }

  #remove(thing: Thing): void {
    thing.deleted = true;
    thing.version += 1;
    this.changes += 1;
  }

  #living(id: string): Thing | undefined {
    const thing = this.things.get(id);
    return thing?.deleted === false ? thing : undefined;
  }
}

function matches(thing: Thing, where: Filter): boolean {
  assert.ok('test' in where && where.test === 'equal');
  return (thing.attributes[where.path[1] ?? ''] ?? null) === where.value;
}

const id = fc.constantFrom('a', 'b', 'c', 'd');
const verb = fc.constantFrom('v', 'w');
const type = fc.constantFrom('T', 'U');
const value = fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constantFrom(null, 'x'));
const attributes = fc.dictionary(fc.constantFrom('p', 'q', '__proto_'), value, { noNullPrototype: true, maxKeys: 2 });
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const where: fc.Arbitrary<Filter> = fc.record({
  test: fc.constant('equal' as const),
  path: fc.constantFrom(['attributes', 'p'], ['attributes', 'q']),
  value: fc.integer({ min: 0, max: 2 }),
});
const edge = fc.tuple(id, verb, id).map((parts) => parts.join('$$'));
const target = fc.oneof(
  { weight: 4, arbitrary: fc.record({ id: fc.oneof({ weight: 5, arbitrary: id }, edge) }) },
  { weight: 1, arbitrary: fc.record({ where }) },
);
const unique = maybe(fc.constantFrom(['p'], ['p', 'q'], ['xid']));
const xid = maybe(fc.constantFrom('x1', 'x2', 'x3'));

/** Without keys whose value is undefined, as in JSON. */
const plain = (operation: object): Operation => JSON.parse(JSON.stringify(operation));

const missing = maybe(fc.record({ type, xid, attributes }));
const guards = {
  expect: maybe(fc.integer({ min: 0, max: 2 })),
  version: maybe(fc.integer({ min: 1, max: 4 })),
  touch: maybe(fc.boolean()),
  unique,
};
const operation: fc.Arbitrary<Operation> = fc
  .oneof(
    fc.record({ op: fc.constant('create'), type, id: maybe(id), xid, attributes, unique }),
    fc.record({ op: fc.constant('create'), type, id, attributes }),
    fc.record({ op: fc.constant('connect'), out: id, verb, in: id, ifExists: maybe(fc.constantFrom('keep', 'conflict')), attributes }),
    fc.record({
      op: fc.constant('update'),
      target,
      set: attributes,
      unset: maybe(fc.constantFrom(['p'], ['q'])),
      ifMissing: missing,
      ...guards,
    }),
    fc.record({ op: fc.constant('update'), target, set: attributes }),
    fc.record({ op: fc.constant('delete'), target }),
    fc.record({
      op: fc.constant('apply'),
      target,
      attribute: fc.constantFrom('p', 'q'),
      operator: fc.constant('incr'),
      value,
      ifMissing: missing,
      ...guards,
    }),
  )
  .map((made) => {
    const operation = plain(made);
    // No other operation may create an edge.
    if ('ifMissing' in operation && 'id' in operation.target && isEdgeId(operation.target.id)) delete operation.ifMissing;
    return operation;
  });

/** Without ids, which only one side generates: the rest must be the same multiset. */
function summary(
  entries: Iterable<{ id: string; attributes: JsonObject; version: number; deleted: boolean; xid?: string | undefined }>,
): string[] {
  return [...entries]
    .map(({ id: name, attributes: values, version, deleted, xid: external }) => {
      const sorted = Object.entries(values).sort(([left], [right]) => (left < right ? -1 : 1));
      return JSON.stringify([/^(new|made)-/.test(name) ? 'made' : name, sorted, version, deleted, external]);
    })
    .sort();
}

test('random batches behave like a naive model: all or nothing, versions and seqs dense, undo exact, unique values unique', () => {
  let ok = 0;
  let refused = 0;
  let needs = 0;
  const batch = fc.array(fc.array(operation, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 6 }), (batches) => {
      const [store, model] = [new TestStore(), new Model()];
      for (const requests of batches) {
        const outcomes = store.batch(...requests).map((outcome) => (outcome.ok ? 'ok' : outcome.failure.code));
        assert.deepEqual(
          outcomes,
          requests.map((operations) => model.request(operations)),
        );
        const succeeded = outcomes.filter((outcome) => outcome === 'ok').length;
        ok += succeeded;
        refused += outcomes.length - succeeded;
        assert.deepEqual(summary([...store.rows.values()].map((row) => row.element)), summary(model.things.values()));
        assert.equal(store.journal.length, model.changes);
      }
      store.check();
      needs += store.needs;
    }),
    { numRuns: 400 },
  );
  // The property is vacuous if everything is rejected, or if no plan ever misses a row.
  assert.ok(ok > refused / 10 && refused > ok / 10 && needs > 0, `${ok} ok, ${refused} refused, ${needs} needs`);
});

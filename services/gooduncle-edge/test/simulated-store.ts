/** The store of a made-up world: what rows there are, and the log of how they became so. */
import type { FullChange, Undo } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';
import type { Predicate } from '@polyedge/query/predicate';
import { compareBy, type Sort } from '@polyedge/query/query';
import { CATEGORIES, type Chance } from './exactness.ts';

export const TENANT = 't';
export const SCOPE = 's';
/** The customer whose session it is. */
export const OWN = 'u1';
const FILLERS = [0, 0, 10, 20_000, 30_000].map((length) => 'x'.repeat(length));
const stamp = (on: number) => ({ on, by: 'w', app: 'w' });

export class MadeUpStore {
  readonly log: FullChange[] = [];
  /** Living and deleted. */
  readonly rows = new Map<string, Element>();
  readonly #chance: Chance;
  readonly #options: { readonly ids: number; readonly mortality: number };

  /** @param options so many rows come and go; one of so many changes of a living row is its end */
  constructor(chance: Chance, options: { readonly ids: number; readonly mortality: number }) {
    this.#chance = chance;
    this.#options = options;
  }

  /** A few random changes at once. With `wide`, twenty large rows that never were. */
  commit(wide = false): void {
    const count = wide ? 20 : 1 + this.#chance.below(3);
    const first = this.log.length + 1;
    const ids = new Set<string>();
    while (ids.size < count) ids.add(wide ? `w${this.rows.size + ids.size}` : `r${this.#chance.below(this.#options.ids)}`);
    for (const id of ids) this.#change(id, first, first + count - 1, wide);
  }

  #change(id: string, first: number, last: number, wide: boolean): void {
    const below = (limit: number): number => this.#chance.below(limit);
    const of = <T>(list: readonly T[]): T => this.#chance.of(list);
    const seq = this.log.length + 1;
    const previous = this.rows.get(id);
    const living = previous !== undefined && !previous.deleted;
    const gone = living && below(this.#options.mortality) === 0;
    const type = previous?.type ?? of(['products', 'products', 'orders']);
    const fresh: JsonObject = {
      price: below(20),
      category: of(CATEGORIES),
      userId: of([OWN, OWN, 'u2']),
      note: below(3),
      filler: wide ? (FILLERS[4] ?? '') : of(FILLERS),
    };
    const some = of<JsonObject>([
      { price: fresh.price ?? 0 },
      { note: fresh.note ?? 0 },
      { category: fresh.category ?? '' },
      { userId: fresh.userId ?? '' },
    ]);
    const attributes = gone ? (previous?.attributes ?? {}) : living && below(3) > 0 ? { ...previous.attributes, ...some } : fresh;
    const state: Element = {
      ...{ tenant: TENANT, id, kind: 'vertex', type, scope: SCOPE, attributes, version: seq, seq },
      created: living && previous !== undefined ? previous.created : stamp(seq),
      modified: stamp(seq),
      deleted: gone,
    };
    const undo: Undo =
      previous === undefined
        ? { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: true }
        : { ...previous, set: previous.attributes, unset: Object.keys(attributes) };
    const action = gone ? 'delete' : living ? 'update' : 'create';
    this.rows.set(id, state);
    this.log.push({
      ...{ seq, epoch: 'e', tenant: TENANT, id, kind: 'vertex', type, scope: SCOPE, owners: [SCOPE], action, version: seq, on: 1 },
      ...{ by: 'w', app: 'w', origin: { protocol: 'x', way: 'job', operation: 'x' }, operationId: String(first), first, last, state, undo },
    });
  }

  /** What a read gives now. */
  found(where: Predicate, sort: readonly Sort[], limit: number): { rows: readonly Element[]; more: boolean; seq: number } {
    const rows = [...this.rows.values()].filter((row) => !row.deleted && where(row)).sort(compareBy(sort));
    return { rows: rows.slice(0, limit), more: rows.length > limit, seq: this.log.length };
  }

  /** What matched when so much of the log was written. */
  matchingAt(seq: number, where: Predicate): readonly Element[] {
    const rows = new Map<string, Element>();
    for (const { id, state } of this.log.slice(0, seq)) rows.set(id, state);
    return [...rows.values()].filter((row) => !row.deleted && where(row));
  }

  /** Whether no commit was half written then. */
  betweenCommits(seq: number): boolean {
    return seq === 0 || this.log[seq - 1]?.last === seq;
  }
}

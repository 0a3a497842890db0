/**
 * Judges the groups of a tenant across its moves between journals. A change has another seq in each journal, so it is identified by its element and
 * version, and judged by its place in the tenant's order, which is the same everywhere.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { PositionsModel } from '@polyedge/journal/testing/positions-model';
import { GroupJudge } from '@polyedge/simulation/groups-judge';
import { partitionOf, slotOf } from '../../services/graph-store/src/core/slot.ts';
import { GROUP_TYPES, PARTITIONS } from './settings.ts';

type Version = Pick<FullChange, 'id' | 'version'>;

/** The journal that stores the groups' positions now. */
interface Stored {
  readonly journal: string;
  readonly positions: PositionsModel;
}

/** How old the last stored position may be while the store fails: the time until its replicas continue, and one second. */
const UNSTORED_MS = 16_000;

export class MovingGroups {
  readonly names: readonly string[];
  readonly #tenant: string;
  readonly #judge: GroupJudge;
  readonly #stored: () => Stored;
  /** The place of each version in the tenant's order, from 1. */
  readonly #places = new Map<string, number>();
  /** The partition of each place; index 0 is place 1. */
  readonly #partitions: number[] = [];
  /** By journal: the seqs of the tenant's changes there, with their places. */
  readonly #seqs = new Map<string, { readonly seq: number; readonly place: number }[]>();
  /** By group: versions that one of its clients has received. */
  readonly #received = new Map<string, Set<string>>();
  #problem: string | undefined;

  /** @param stored returns the current journal and its positions */
  constructor(tenant: string, names: readonly string[], stored: () => Stored) {
    this.#tenant = tenant;
    this.names = names;
    this.#stored = stored;
    this.#judge = new GroupJudge(PARTITIONS, (group, partition) => this.#positionOf(group, partition));
  }

  /** The first problem, as a sentence. */
  get problem(): string | undefined {
    return this.#problem ?? this.#judge.problem;
  }

  /** A fault, from one time to another, that may lose the last confirmations. A graph-store without replicas is not one. */
  fault(from: number, to: number): void {
    this.#judge.fault(from, to);
  }

  /** Working copies of positions are lost, or unreadable for some time: the stored positions may be as old as the store's last failure. */
  lostCopies(now: number, until: number): void {
    this.#judge.fault(now - UNSTORED_MS, until);
  }

  committed(journal: string, change: FullChange): void {
    if (change.tenant !== this.#tenant) return;
    const key = keyOf(change);
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#partitions.push(partitionOf(slotOf(change.id), PARTITIONS));
      this.#places.set(key, place);
    }
    const seqs = this.#seqs.get(journal) ?? [];
    seqs.push({ seq: change.seq, place });
    this.#seqs.set(journal, seqs);
  }

  /** The tenant has left a journal; its owners there learn of it when they next store positions. */
  departed(journal: string, at: number): void {
    this.#seqs.delete(journal);
    this.#judge.fault(at, at);
  }

  given(group: string, changes: readonly FullChange[], at: number): void {
    this.#judge.give(group, this.#placesOf(group, changes), this.#partitionOf, at);
  }

  /** A client of a group has received a version. */
  received(group: string, version: Version): void {
    const received = this.#received.get(group) ?? new Set<string>();
    this.#received.set(group, received.add(keyOf(version)));
  }

  confirmed(group: string, changes: readonly FullChange[], at: number, inTime: boolean): void {
    const received = this.#received.get(group);
    const unseen = changes.find((change) => GROUP_TYPES.includes(change.type) && received?.has(keyOf(change)) !== true);
    if (unseen !== undefined) this.#wrong(`${group}: ${nameOf(unseen)} counts as confirmed, and no client was shown it`);
    this.#judge.confirm(group, this.#placesOf(group, changes), this.#partitionOf, at, inTime);
  }

  /** Positions only grow, in whichever journal, and never pass an unconfirmed change. */
  positions(): void {
    this.#judge.positions(this.names);
  }

  /** The first change that a group has not confirmed or stored; undefined if there is none. */
  missing(): string | undefined {
    const places = Array.from({ length: PARTITIONS }, (): number[] => []);
    for (const [at, partition] of this.#partitions.entries()) places[partition]?.push(at + 1);
    const missing = this.#judge.missing(this.names, places);
    return missing === undefined ? undefined : `of the changes of ${this.#tenant} in their order, ${missing}`;
  }

  #wrong(sentence: string): void {
    this.#problem ??= sentence;
  }

  #placesOf(group: string, changes: readonly FullChange[]): number[] {
    return changes.flatMap((change) => {
      const place = this.#places.get(keyOf(change));
      if (place === undefined) this.#wrong(`${group} is given ${nameOf(change)}, which never was`);
      return place ?? [];
    });
  }

  readonly #partitionOf = (place: number): number => this.#partitions[place - 1] ?? -1;

  /** The place of the last change at or before a group's position; -1 if there is no such group. */
  #positionOf(group: string, partition: number): number {
    const { journal, positions } = this.#stored();
    const position = positions.positionOf(group, partition);
    if (position === -1) return -1;
    return this.#seqs.get(journal)?.findLast(({ seq }) => seq <= position)?.place ?? 0;
  }
}

const keyOf = ({ id, version }: Version): string => `${id}/${version}`;
const nameOf = ({ id, version }: Version): string => `version ${version} of ${id}`;

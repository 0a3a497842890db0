/**
 * A model of the state of groups in Redis, in memory and on virtual time, with the meaning of libs/journal's scripts `join`, `take` and `hold`. A shared
 * test makes the same calls to a real Redis and compares every answer.
 */
import { MAX_GROUP_MEMBERS } from '@polyedge/contracts/bus/groups';
import type { LeaseRequest, OwnedLease, Taken } from '@polyedge/journal/groups/messages';

interface Lease {
  fence: number;
  owner: string;
  until: number;
  position: number | undefined;
}

export class RedisGroupsModel {
  readonly #now: () => number;
  #members = new Map<number, Map<string, string>>();
  #leases = new Map<string, Lease>();
  #edges = new Map<string, number>();

  /** @param now whole milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Loses everything. */
  wipe(): void {
    this.#members = new Map();
    this.#leases = new Map();
    this.#edges = new Map();
  }

  /** @returns a function that restores the current state, as for a Redis that loses its last second */
  copy(): () => void {
    const members = new Map([...this.#members].map(([group, listed]) => [group, new Map(listed)]));
    const leases = new Map([...this.#leases].map(([key, lease]) => [key, { ...lease }]));
    const edges = new Map(this.#edges);
    return () => {
      this.#members = members;
      this.#leases = leases;
      this.#edges = edges;
    };
  }

  beat(edge: string, forMs: number): void {
    this.#edges.set(edge, this.#now() + forMs);
  }

  alive(edges: readonly string[]): Set<string> {
    return new Set(edges.filter((edge) => (this.#edges.get(edge) ?? 0) > this.#now()));
  }

  join(group: number, edge: string, members: readonly string[]): { readonly added: number; readonly count: number } | 'full' {
    const listed = this.#members.get(group) ?? new Map<string, string>();
    const added = members.filter((member) => !listed.has(member)).length;
    if (added > 0 && listed.size + added > MAX_GROUP_MEMBERS) return 'full';
    const count = listed.size + added;
    for (const member of members) listed.set(member, edge);
    this.#members.set(group, listed);
    return { added, count };
  }

  leave(group: number, members: readonly string[]): void {
    for (const member of members) this.#members.get(group)?.delete(member);
  }

  members(group: number): Map<string, string> {
    return new Map(this.#members.get(group));
  }

  take(group: number, owner: string, termMs: number, freeForMs: number, wanted: readonly LeaseRequest[]): Taken[] {
    const now = this.#now();
    return wanted.map(({ partition, above }) => {
      const key = `${group}/${partition}`;
      const lease = this.#leases.get(key) ?? { fence: 0, owner: '', until: 0, position: undefined };
      if (lease.owner !== owner && lease.until + freeForMs > now) return { partition, is: 'held', leftMs: lease.until - now };
      lease.fence = Math.max(lease.fence, above) + 1;
      lease.owner = owner;
      lease.until = now + termMs;
      this.#leases.set(key, lease);
      return { partition, is: 'taken', fence: lease.fence, position: lease.position ?? 0 };
    });
  }

  /** @returns partitions whose fence was not in force */
  hold(group: number, what: 'renew' | 'save' | 'release', termMs: number, held: readonly OwnedLease[]): number[] {
    const now = this.#now();
    const fenced: number[] = [];
    for (const { partition, fence, position } of held) {
      const lease = this.#leases.get(`${group}/${partition}`);
      if (lease === undefined || lease.fence !== fence) {
        fenced.push(partition);
        continue;
      }
      if (position > (lease.position ?? -1)) lease.position = position;
      if (what === 'renew') lease.until = now + termMs;
      if (what === 'release') {
        lease.until = now;
        lease.owner = '';
      }
    }
    return fenced;
  }

  /** The working copies of positions by partition; without those that were never saved. */
  positions(group: number, partitions: number): Map<number, number> {
    const found = new Map<number, number>();
    for (let partition = 0; partition < partitions; partition += 1) {
      const position = this.#leases.get(`${group}/${partition}`)?.position;
      if (position !== undefined) found.set(partition, position);
    }
    return found;
  }

  /** @returns whether the group has members */
  endLeases(group: number): boolean {
    for (const key of [...this.#leases.keys()]) if (key.startsWith(`${group}/`)) this.#leases.delete(key);
    return (this.#members.get(group)?.size ?? 0) > 0;
  }

  remove(group: number): void {
    this.endLeases(group);
    this.#members.delete(group);
  }

  /** Partition to owner and fence. */
  leases(group: number): Map<number, { readonly owner: string; readonly fence: number }> {
    const found = new Map<number, { readonly owner: string; readonly fence: number }>();
    for (const [key, { owner, fence }] of this.#leases) {
      const [of, partition] = key.split('/');
      if (Number(of) === group) found.set(Number(partition), { owner, fence });
    }
    return found;
  }
}

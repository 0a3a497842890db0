/** The state of groups in Redis: members, leases with their fences, working copies of positions, and live edges. */
import { MAX_GROUP_MEMBERS } from '@polyedge/contracts/bus/groups';
import { MAIN } from '@polyedge/contracts/journal';
import type { OwnedLease, Taken } from './groups/messages.ts';
import { edgeKey, groupKey, keyedEpoch } from './keys.ts';
import type { Redis } from './redis.ts';
import { loadScript, runScript } from './script.ts';

const SCRIPTS = { join: loadScript('join'), take: loadScript('take'), hold: loadScript('hold') };

/** Expiry of a group's keys. */
const KEY_TTL_MS = 48 * 3_600_000;

export class GroupRedis {
  readonly #redis: Redis;
  readonly #epoch: string;

  constructor(redis: Redis, epoch: string, journal = MAIN) {
    this.#redis = redis;
    this.#epoch = keyedEpoch(journal, epoch);
  }

  /** Adds members of this edge to the list. `full`: none of the new ones was added. */
  async join(
    group: number,
    edge: string,
    members: readonly string[],
  ): Promise<{ readonly added: number; readonly count: number } | 'full'> {
    const args = [String(MAX_GROUP_MEMBERS), edge, String(KEY_TTL_MS), ...members];
    const [is, added, count] = await runScript(this.#redis, SCRIPTS.join, [groupKey(this.#epoch, group, 'members')], args);
    return is === 'joined' ? { added: Number(added), count: Number(count) } : 'full';
  }

  async leave(group: number, members: readonly string[]): Promise<void> {
    if (members.length > 0) await this.#redis.hdel(groupKey(this.#epoch, group, 'members'), ...members);
  }

  /** Members and their edges, including edges that are no longer alive. */
  async members(group: number): Promise<Map<string, string>> {
    return new Map(Object.entries(await this.#redis.hgetall(groupKey(this.#epoch, group, 'members'))));
  }

  /** Marks an edge as alive for `forMs`. */
  async beat(edge: string, forMs: number): Promise<void> {
    await this.#redis.set(edgeKey(this.#epoch, edge), '1', 'PX', forMs);
  }

  async alive(edges: readonly string[]): Promise<Set<string>> {
    const found = await Promise.all(edges.map((edge) => this.#redis.exists(edgeKey(this.#epoch, edge))));
    return new Set(edges.filter((_, at) => found[at] === 1));
  }

  /** @param freeForMs takes only leases that have been free for this long (except those of `owner` itself) */
  async take(
    group: number,
    owner: string,
    termMs: number,
    freeForMs: number,
    wanted: readonly { readonly partition: number; readonly above: number }[],
  ): Promise<Taken[]> {
    if (wanted.length === 0) return [];
    const head = [owner, String(termMs), String(freeForMs), String(KEY_TTL_MS)];
    const args = wanted.flatMap(({ partition, above }) => [String(partition), String(above)]);
    const answer = await runScript(this.#redis, SCRIPTS.take, [groupKey(this.#epoch, group, 'leases')], [...head, ...args]);
    const taken: Taken[] = [];
    for (let at = 0; at + 3 < answer.length; at += 4) {
      const partition = Number(answer[at]);
      if (answer[at + 1] === 'taken') {
        taken.push({ partition, is: 'taken', fence: Number(answer[at + 2]), position: Number(answer[at + 3]) });
      } else taken.push({ partition, is: 'held', leftMs: Number(answer[at + 2]) });
    }
    return taken;
  }

  /** @returns partitions whose lease this owner has lost: nothing was done to them */
  async hold(group: number, what: 'renew' | 'save' | 'release', termMs: number, held: readonly OwnedLease[]): Promise<number[]> {
    if (held.length === 0) return [];
    const args = held.flatMap(({ partition, fence, position }) => [String(partition), String(fence), String(position)]);
    const answer = await runScript(
      this.#redis,
      SCRIPTS.hold,
      [groupKey(this.#epoch, group, 'leases')],
      [what, String(termMs), String(KEY_TTL_MS), ...args],
    );
    return answer.map(Number);
  }

  /** The working copies of a group's positions by partition; without those that Redis does not have. */
  async positions(group: number, partitions: number): Promise<Map<number, number>> {
    const fields = Array.from({ length: partitions }, (_, partition) => `${partition}.position`);
    const values = await this.#redis.hmget(groupKey(this.#epoch, group, 'leases'), ...fields);
    return new Map(values.flatMap((value, partition) => (value === null ? [] : [[partition, Number(value)] as const])));
  }

  /**
   * The group is elsewhere now: its owners cannot renew their leases any more, even if they have not heard of it. They may believe in them
   * for one more term.
   * @returns whether it has members, so that there may be owners
   */
  async endLeases(group: number): Promise<boolean> {
    const members = await this.#redis.exists(groupKey(this.#epoch, group, 'members'));
    await this.#redis.unlink(groupKey(this.#epoch, group, 'leases'));
    return members > 0;
  }

  /** Forgets a group. */
  async remove(group: number): Promise<void> {
    await this.#redis.unlink(groupKey(this.#epoch, group, 'leases'), groupKey(this.#epoch, group, 'members'));
  }

  /** The current leases: partition to owner and fence. For display. */
  async leases(group: number): Promise<Map<number, { readonly owner: string; readonly fence: number }>> {
    const fields = await this.#redis.hgetall(groupKey(this.#epoch, group, 'leases'));
    const leases = new Map<number, { readonly owner: string; readonly fence: number }>();
    for (const [name, fence] of Object.entries(fields)) {
      const partition = /^(\d+)\.fence$/.exec(name)?.[1];
      if (partition !== undefined) leases.set(Number(partition), { owner: fields[`${partition}.owner`] ?? '', fence: Number(fence) });
    }
    return leases;
  }
}

/** The members of a group that this edge has, as Redis lists them beside those of other edges, and which of all of them live. */
import type { Failure } from '@polyedge/contracts/errors';
import type { Opened } from './era.ts';
import type { MemberHandler } from './group-port.ts';
import type { MemberWindow, Owned } from './owned.ts';

export interface Member {
  readonly id: string;
  readonly handler: MemberHandler;
  readonly window: MemberWindow;
  readonly owned: Map<number, Owned>;
  /** Listed in Redis by now, as far as we know. */
  listed: boolean;
  ended: boolean;
}

export class GroupMembers {
  readonly #edge: string;
  readonly #aliveMs: number;
  readonly #members = new Map<string, Member>();

  constructor(edge: string, aliveMs: number) {
    this.#edge = edge;
    this.#aliveMs = aliveMs;
  }

  get size(): number {
    return this.#members.size;
  }

  add(id: string, handler: MemberHandler): Member {
    const member: Member = { id, handler, window: { items: 0, bytes: 0 }, owned: new Map(), listed: false, ended: false };
    this.#members.set(id, member);
    return member;
  }

  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  remove({ id }: Member): void {
    this.#members.delete(id);
  }

  all(): Member[] {
    return [...this.#members.values()];
  }

  ids(): string[] {
    return [...this.#members.keys()];
  }

  /**
   * Lists them, again if Redis forgot them. Fails when Redis does.
   *
   * @returns how many were new, or `full` when those that are not listed yet have no place: the group has as many members as it may have
   */
  async list({ id, era }: Opened): Promise<number | 'full'> {
    const members = this.all();
    const ids = members.map((member) => member.id);
    // A heartbeat first: who finds members of an edge that seems dead takes their partitions, and takes them off the list. Redis may have
    // forgotten the last one.
    const [, joined] = await Promise.all([era.redis.beat(this.#edge, this.#aliveMs), era.redis.join(id, this.#edge, ids)]);
    if (joined === 'full') return 'full';
    for (const member of members) member.listed = true;
    // Those that went while we asked.
    const gone = members.filter(({ ended }) => ended).map((member) => member.id);
    await era.redis.leave(id, gone);
    return joined.added;
  }

  /** Ours, and those of other edges that are alive; those of dead ones are taken off the list. Fails when Redis does. */
  async living({ id, era }: Opened): Promise<string[]> {
    const members = await era.redis.members(id);
    const others = [...new Set(members.values())].filter((other) => other !== this.#edge);
    const alive = await era.redis.alive(others);
    // Ours live whatever the list says: Redis may have forgotten it since we were put on it.
    const living = new Set(this.ids());
    const dead: string[] = [];
    for (const [member, of] of members) {
      if (of === this.#edge ? living.has(member) : alive.has(of)) living.add(member);
      else dead.push(member);
    }
    await era.redis.leave(id, dead);
    return [...living];
  }
}

export function tellLost(member: Member, failure: Failure): void {
  member.ended = true;
  member.handler.lost(failure);
}

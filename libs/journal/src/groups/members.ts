/** This edge's members of a group, their entries in Redis beside those of other edges, and which of all members are alive. */
import type { Epoch } from './edge-state.ts';
import { call, type GroupProcedure } from './messages.ts';
import type { MemberWindow } from './partition-consumer.ts';

/** A group that was opened in the store: it has a new id after it expired and was created again. */
export interface Opened {
  readonly id: number;
  readonly epoch: Epoch;
  readonly partitions: number;
}

export interface GroupMember {
  readonly id: string;
  readonly window: MemberWindow;
  /** Believed to be listed in Redis. */
  listed: boolean;
  ended: boolean;
}

export class GroupMembers {
  readonly #edge: string;
  readonly #members = new Map<string, GroupMember>();

  constructor(edge: string) {
    this.#edge = edge;
  }

  get size(): number {
    return this.#members.size;
  }

  add(id: string): GroupMember {
    const member: GroupMember = { id, window: { items: 0, bytes: 0 }, listed: false, ended: false };
    this.#members.set(id, member);
    return member;
  }

  get(id: string): GroupMember | undefined {
    return this.#members.get(id);
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  remove({ id }: GroupMember): void {
    this.#members.delete(id);
  }

  all(): GroupMember[] {
    return [...this.#members.values()];
  }

  ids(): string[] {
    return [...this.#members.keys()];
  }

  /**
   * Lists them in Redis, again if Redis has lost them.
   *
   * @returns how many were new, and those that exceed the group's maximum; `failed` if Redis is unavailable
   */
  *list(opened: Opened): GroupProcedure<{ readonly added: number; readonly refused: readonly GroupMember[] } | 'failed'> {
    const members = this.all();
    const together = yield* this.#listSome(opened, members);
    if (together === 'failed') return 'failed';
    if (together !== 'full') return { added: together, refused: [] };
    // One that exceeds the maximum must not affect the others.
    const fresh = members.filter(({ listed }) => !listed);
    for (const [added, member] of fresh.entries()) {
      const one = yield* this.#listSome(opened, [member]);
      if (one === 'failed') return 'failed';
      if (one === 'full') return { added, refused: fresh.slice(added) };
    }
    return { added: fresh.length, refused: [] };
  }

  *#listSome({ id, epoch: { name: epoch } }: Opened, members: readonly GroupMember[]): GroupProcedure<number | 'full' | 'failed'> {
    const listed = yield* call({ call: 'list', epoch, group: id, members: members.map((member) => member.id) });
    if (!listed.ok) return 'failed';
    if (listed.value === 'full') return 'full';
    for (const member of members) member.listed = true;
    // Those that left during the request.
    const gone = members.filter(({ ended }) => ended).map((member) => member.id);
    if (gone.length > 0 && !(yield* call({ call: 'unlist', epoch, group: id, members: gone })).ok) return 'failed';
    return listed.value.added;
  }

  /** Our members, and those of other live edges; those of dead edges are removed from the list. Undefined if Redis is unavailable. */
  *living({ id, epoch: { name: epoch } }: Opened): GroupProcedure<readonly string[] | undefined> {
    const members = yield* call({ call: 'members', epoch, group: id });
    if (!members.ok) return undefined;
    const others = [...new Set(members.value.values())].filter((other) => other !== this.#edge);
    const alive = others.length === 0 ? undefined : yield* call({ call: 'alive', epoch, edges: others });
    if (alive?.ok === false) return undefined;
    // Ours are alive whatever the list says: Redis may have lost it since they were added.
    const living = new Set(this.ids());
    const dead: string[] = [];
    for (const [member, of] of members.value) {
      if (of === this.#edge ? living.has(member) : alive?.value.has(of) === true) living.add(member);
      else dead.push(member);
    }
    if (dead.length > 0 && !(yield* call({ call: 'unlist', epoch, group: id, members: dead })).ok) return undefined;
    return [...living];
  }
}

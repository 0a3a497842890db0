/** Clients of Saga: they join rooms, write properties, and resume their sessions when they reconnect. */
import type { FullChange } from '@polyedge/contracts/change';
import { GLOBALS_ID, TYPES } from '../../libs/saga/src/elements.ts';
import { WritingClient } from './clients.ts';
import type { EdgeProcess } from './edge-process.ts';
import { ACCOUNT } from './settings.ts';
import type { Surroundings } from './surroundings.ts';
import type { Opened } from './wire.ts';

type Kind = 'users' | 'globals';
const PARENTS: Readonly<Record<Kind, string>> = { users: ACCOUNT.id, globals: GLOBALS_ID };
const KINDS: readonly Kind[] = ['users', 'globals'];
/** An answer follows its event, but waits for it no longer than this (edge-kit, `write-ordering.ts`). */
const EVENTS_FIRST_MS = 2000;

interface Raw {
  readonly kind: 'event' | 'ack';
  readonly event?: string;
  readonly ack?: number;
  readonly args: readonly [SagaBody, string?];
}

interface SagaBody {
  readonly status_code?: number;
  readonly body?: { readonly sortable_id?: number };
  readonly type?: string;
  readonly sortable_id?: number;
}

interface Room {
  /** The seq of the last event. */
  last: number | undefined;
  /** When it became live, on the virtual clock: later changes must arrive. */
  joinedAt: number | undefined;
}

interface Post {
  readonly kind: Kind;
  readonly token: string | undefined;
  readonly at: number;
  /** Whether the room was joined when the write was sent. */
  readonly isHeard: boolean;
}

export class SagaClient extends WritingClient {
  protected readonly api = 'saga';
  /** Increments of the counter that were sent, and that were acknowledged. */
  #increments = { sent: 0, confirmed: 0 };
  #pid: string | undefined;
  #offset: string | undefined;
  #rooms: Record<Kind, Room> = noRooms();
  readonly #posts = new Map<number, Post>();
  #count = 0;
  /** Whether the history is still the one in which the session began. */
  #isJudged = true;
  #failovers = 0;

  constructor(world: Surroundings, name: string, edges: () => readonly EdgeProcess[]) {
    super(world, name, edges);
  }

  protected get query(): Readonly<Record<string, string>> {
    return this.#pid === undefined || this.#offset === undefined ? {} : { pid: this.#pid, offset: this.#offset };
  }

  protected begin({ pid, recovered }: Opened): void {
    this.#pid = pid;
    if (recovered === true) {
      this.world.judge.counts.recovered += 1;
      // The answer to the join was lost with the socket.
      for (const room of KINDS) if (this.#rooms[room].joinedAt === undefined) this.#join(room);
      return;
    }
    this.#offset = undefined;
    this.#rooms = noRooms();
    this.#isJudged = !this.world.judge.isUndecided;
    this.#failovers = this.world.failovers;
    this.#emit('authentication', { accessToken: 't' }, undefined);
  }

  protected override ended(): void {
    this.#posts.clear();
  }

  protected heard(text: string): void {
    const { kind, event, ack, args }: Raw = JSON.parse(text);
    const [body, offset] = args;
    if (kind === 'ack') this.#answered(ack ?? 0, body);
    else if (event === 'authenticated') for (const room of KINDS) this.#join(room);
    else if (event === 'offset') {
      this.#offset = String(body);
      this.#rooms.users.last = this.#seqOf(this.#offset);
    } else if (event === '/properties') this.#shown(body);
    if (offset !== undefined) this.#offset = offset;
  }

  write(count: number): void {
    if (!this.isOpen) return;
    for (let left = count; left > 0; left -= 1) this.#write(left);
  }

  missing(): string | undefined {
    const { judge, failovers, database } = this.world;
    if (!this.isOpen) return `${this.name} is not connected`;
    if (this.#posts.size > 0) return `${this.name} waits for ${this.#posts.size} answers`;
    if (!this.#isJudged || this.#failovers !== failovers) return undefined;
    for (const kind of KINDS) {
      const { last, joinedAt } = this.#rooms[kind];
      const newest = database.journal.findLast((change) => isOf(kind, change))?.seq;
      if (joinedAt === undefined) return `${this.name} has not joined /${kind}`;
      if (newest !== undefined && last !== newest && judge.committedAt(newest) >= joinedAt)
        return `${this.name} is at ${last} in /${kind}, and ${newest} is committed`;
    }
    return this.#problemOfCounter();
  }

  // ---- sent

  #emit(event: string, payload: object, post: (Pick<Post, 'kind'> & Partial<Post>) | undefined): void {
    this.#count += 1;
    if (post !== undefined) this.#posts.set(this.#count, { token: undefined, at: this.world.time.now, isHeard: false, ...post });
    this.send({ kind: 'event', event, args: [payload], ack: this.#count });
  }

  #join(kind: Kind): void {
    this.#emit(`/${kind}/join`, { id: PARENTS[kind] }, { kind });
  }

  #write(left: number): void {
    const { chance } = this.world;
    const kind = KINDS[left % 2] ?? 'users';
    const room = this.#rooms[kind];
    const isHeard = room.joinedAt !== undefined;
    const parent = { parent_id: PARENTS[kind] };
    if (chance.percent(40)) {
      this.#increments.sent += 1;
      this.#emit(`/${kind}/properties/incr`, { ...parent, name: this.#counter(kind), value: 1 }, { kind, isHeard, token: COUNTED });
      return;
    }
    const token = `${this.name}.${this.#count}`;
    this.#emit(`/${kind}/properties`, { ...parent, name: `n${chance.below(4)}`, value: token }, { kind, isHeard, token });
  }

  #counter(kind: Kind): string {
    return `counter-${kind}-${this.name.replaceAll(' ', '-')}`;
  }

  // ---- received

  #answered(ack: number, { status_code: status, body }: SagaBody): void {
    const post = this.#posts.get(ack);
    this.#posts.delete(ack);
    if (post === undefined) return;
    const { judge, time } = this.world;
    const { kind, token, at, isHeard } = post;
    if (status !== 200) {
      if (token === undefined) this.#joinAgain(kind);
      return;
    }
    if (token === undefined) {
      this.#rooms[kind].joinedAt = time.now;
      return;
    }
    if (this.#failovers !== this.world.failovers || !this.#isJudged) return;
    if (token === COUNTED) this.#increments.confirmed += 1;
    else judge.acknowledged(token);
    const seq = body?.sortable_id ?? 0;
    const { last = 0 } = this.#rooms[kind];
    if (isHeard && seq > last && time.now - at < EVENTS_FIRST_MS)
      judge.wrong(`${this.name} is answered ${seq} before its event: it is at ${last} in /${kind}`);
  }

  /** Retries a join that was refused, as long as the session is the same one. */
  #joinAgain(kind: Kind): void {
    const rooms = this.#rooms;
    this.world.time.after(300, () => {
      if (this.isOpen && this.#rooms === rooms && rooms[kind].joinedAt === undefined) this.#join(kind);
    });
  }

  #shown({ type, sortable_id: seq = 0 }: SagaBody): void {
    const { judge, database, failovers } = this.world;
    const kind = type === 'user' ? 'users' : 'globals';
    const room = this.#rooms[kind];
    const { last } = room;
    room.last = seq;
    judge.counts.shown += 1;
    if (!this.#isJudged || this.#failovers !== failovers) return;
    const change = database.journal[seq - 1];
    if (change === undefined || !isOf(kind, change)) judge.wrong(`${this.name} is shown ${seq} in /${kind}, which never was`);
    if (last === undefined) return;
    if (seq <= last) judge.wrong(`${this.name} is shown ${seq} after ${last} in /${kind}`);
    const next = database.journal.slice(last, seq).find((one) => isOf(kind, one))?.seq;
    if (next !== undefined && next < seq) judge.wrong(`${this.name} is shown ${seq} after ${last} in /${kind}, and never ${next}`);
  }

  /** The counter is at least the number of acknowledged increments, and at most that of sent ones. */
  #problemOfCounter(): string | undefined {
    if (!this.world.judge.isFirstHistory) return undefined;
    const { sent, confirmed } = this.#increments;
    const counted = KINDS.reduce((sum, kind) => {
      const found = this.world.database.element(ACCOUNT.tenant, `${PARENTS[kind]}:${this.#counter(kind)}`);
      return sum + Number(found?.attributes.value ?? 0);
    }, 0);
    if (counted < confirmed || counted > sent)
      this.world.judge.wrong(`${this.name}: ${counted} of ${sent} increments, ${confirmed} of them confirmed`);
    return undefined;
  }

  #seqOf(offset: string): number {
    return Number(offset.split('.')[0]);
  }
}

/** Takes the place of a token in increments. */
const COUNTED = '';

const noRooms = (): Record<Kind, Room> => ({
  users: { last: undefined, joinedAt: undefined },
  globals: { last: undefined, joinedAt: undefined },
});

const isOf = (kind: Kind, { type, state }: FullChange): boolean => type === TYPES.property && state.attributes.parent_id === PARENTS[kind];

/** The rooms that one socket has joined (Saga protocol page, 3.2): what it watches and hears for each of them. */
import type { SagaSessionState } from '@polyedge/contracts/bus/recovery';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { Output } from '@polyedge/session/output';
import type { SagaOut } from './codec.ts';
import { baseOf, type Room, roomName, signalsOf, watchesOf } from './joins.ts';

import { type Offset, withOffset } from './recovery.ts';

interface Joined {
  readonly room: Room;
  readonly id: string | undefined;
  /** What came after this seq is heard; undefined until the room is live. */
  since: number | undefined;
  readonly subscriptions: readonly string[];
}

export class Rooms {
  readonly #out: Output<SagaOut>;
  readonly #legacyMessages: boolean;
  readonly #joined = new Map<string, Joined>();
  /** Subscriptions of the join at work that are not live yet. */
  readonly #coming = new Map<string, (at: Offset) => void>();
  readonly #offsets: boolean;
  #count = 0;

  /**
   * @param legacyMessages whether messages are also sent under the name that the Unity client listens to
   * @param offsets whether events say from where the client can go on
   */
  constructor(out: Output<SagaOut>, legacyMessages: boolean, offsets: boolean) {
    this.#out = out;
    this.#legacyMessages = legacyMessages;
    this.#offsets = offsets;
  }

  get size(): number {
    return this.#joined.size;
  }

  has(room: Room, id: string | undefined): boolean {
    return this.#joined.has(roomName(room, id));
  }

  /** Whether signals to this parent come back to the socket. */
  hears(parent: string): boolean {
    return [...this.#joined.values()].some(({ room, id }) => signalsOf(room, id) === parent);
  }

  /** What is joined, for a later session of the client. */
  get parting(): SagaSessionState['rooms'] {
    return [...this.#joined.values()].flatMap(({ room, id, since }) =>
      since === undefined ? [] : [{ base: baseOf(room), ...(id === undefined ? {} : { id }), since }],
    );
  }

  /** Joins; `live` is called when everything in the room is heard from now on. With `from` what came after it is told first. */
  join(room: Room, id: string | undefined, tenant: string, live: (at: Offset) => void, from?: Offset): void {
    const name = roomName(room, id);
    const subscriptions: string[] = [];
    const parent = signalsOf(room, id);
    if (parent !== undefined) {
      this.#out.effect({ do: 'listen', id: `signals:${parent}`, subject: sagaSignal.subject({ tenant, parent }) });
    }
    const watches = watchesOf(room, id, tenant, this.#legacyMessages);
    let left = watches.length;
    this.#count += 1;
    const joined: Joined = { room, id, since: from?.seq, subscriptions };
    for (const [at, { to, view }] of watches.entries()) {
      const subscription = `${this.#count}:${at}:${name}`;
      subscriptions.push(subscription);
      this.#coming.set(subscription, (place) => {
        left -= 1;
        if (left > 0) return;
        joined.since ??= place.seq;
        live(place);
      });
      const shown = this.#offsets ? { ...view, shape: withOffset(view.shape) } : view;
      this.#out.effect({ do: 'subscribe', id: subscription, to, view: shown, ...(from === undefined ? {} : { since: from }) });
    }
    if (parent !== undefined) subscriptions.push(`signals:${parent}`);
    this.#joined.set(name, joined);
  }

  /** A subscription is live. */
  subscribed(subscription: string, at: Offset): void {
    const live = this.#coming.get(subscription);
    this.#coming.delete(subscription);
    live?.(at);
  }

  /** A subscription has ended by itself: whose room was still being joined, and what leaves the rest of it. Undefined: it was of no room. */
  lost(subscription: string): { readonly joining: boolean; readonly leave: () => void } | undefined {
    for (const [name, joined] of this.#joined) {
      if (!joined.subscriptions.includes(subscription)) continue;
      return { joining: this.#coming.has(subscription), leave: () => this.#leave(name, joined) };
    }
    return undefined;
  }

  /** Leaves the room of one of the names, if it was joined. */
  leave(rooms: readonly Room[], id: string | undefined): void {
    for (const room of rooms) {
      const name = roomName(room, id);
      const joined = this.#joined.get(name);
      if (joined === undefined) continue;
      this.#leave(name, joined);
      return;
    }
  }

  /** Leaves all rooms but those that may stay. */
  leaveUnless(stays: (room: Room, id: string | undefined) => boolean): void {
    for (const [name, joined] of [...this.#joined]) if (!stays(joined.room, joined.id)) this.#leave(name, joined);
  }

  #leave(name: string, { subscriptions }: Joined): void {
    this.#joined.delete(name);
    for (const id of subscriptions) {
      this.#coming.delete(id);
      this.#out.effect({ do: 'unsubscribe', id });
    }
  }
}

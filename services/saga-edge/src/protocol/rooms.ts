/** The rooms that one socket has joined (Saga protocol page, 3.2), with their subscriptions. */
import type { SagaSessionState } from '@polyedge/contracts/bus/recovery';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { Output } from '@polyedge/session/output';
import type { SagaOut } from './codec.ts';
import { baseOf, type Room, roomName, signalsOf, watchesOf } from './joins.ts';

import { type Offset, withOffset } from './recovery.ts';

interface Joined {
  readonly room: Room;
  readonly id: string | undefined;
  /** Changes after this seq are delivered; undefined until the room is live. */
  since: number | undefined;
  readonly subscriptions: readonly string[];
}

export class Rooms {
  readonly #out: Output<SagaOut>;
  readonly #legacyMessages: boolean;
  readonly #joined = new Map<string, Joined>();
  /** Subscriptions of the join in progress that are not live yet. */
  readonly #coming = new Map<string, (at: Offset) => void>();
  readonly #offsets: boolean;
  #count = 0;

  /**
   * @param legacyMessages whether messages are also sent under the name that the Unity client listens to
   * @param offsets whether events contain the position to resume from
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

  /** Whether the socket receives its own signals to this parent. */
  hears(parent: string): boolean {
    return [...this.#joined.values()].some(({ room, id }) => signalsOf(room, id) === parent);
  }

  /** The joined rooms, for a later session of the client. */
  get parting(): SagaSessionState['rooms'] {
    return [...this.#joined.values()].flatMap(({ room, id, since }) =>
      since === undefined ? [] : [{ base: baseOf(room), ...(id === undefined ? {} : { id }), since }],
    );
  }

  /** Joins a room; `live` is called once everything in the room is delivered. With `from`, changes after that position are sent first. */
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

  /**
   * A subscription was lost: returns whether its room was still being joined, and the effects that leave the rest of it. Undefined if it
   * belongs to no room.
   */
  lost(subscription: string): { readonly joining: boolean; readonly leave: () => void } | undefined {
    for (const [name, joined] of this.#joined) {
      if (!joined.subscriptions.includes(subscription)) continue;
      return { joining: this.#coming.has(subscription), leave: () => this.#leave(name, joined) };
    }
    return undefined;
  }

  /** Leaves the joined room among these, if any. */
  leave(rooms: readonly Room[], id: string | undefined): void {
    for (const room of rooms) {
      const name = roomName(room, id);
      const joined = this.#joined.get(name);
      if (joined === undefined) continue;
      this.#leave(name, joined);
      return;
    }
  }

  /** Leaves all rooms except those that are still allowed. */
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

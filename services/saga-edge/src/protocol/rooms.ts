/** The rooms that one socket has joined (Saga protocol page, 3.2): what it watches and hears for each of them. */
import type { SagaParting } from '@polyedge/contracts/bus/recovery';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { Effect } from '@polyedge/session/session';
import type { SagaOut } from './codec.ts';
import { baseOf, type Room, roomName, signalsOf, watchesOf } from './joins.ts';
import { type Offset, withOffset } from './recovery.ts';

type Out = Effect<SagaOut>;

interface Joined {
  readonly room: Room;
  readonly id: string | undefined;
  /** What came after this seq is heard; undefined until the room is live. */
  since: number | undefined;
  readonly subscriptions: readonly string[];
}

export class Rooms {
  readonly #legacyMessages: boolean;
  readonly #joined = new Map<string, Joined>();
  /** Subscriptions of the join at work that are not live yet. */
  readonly #coming = new Map<string, (at: Offset) => readonly Out[]>();
  readonly #offsets: boolean;
  #count = 0;

  /**
   * @param legacyMessages whether messages are also sent under the name that the Unity client listens to
   * @param offsets whether events say from where the client can go on
   */
  constructor(legacyMessages: boolean, offsets = false) {
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
  get parting(): SagaParting['rooms'] {
    return [...this.#joined.values()].flatMap(({ room, id, since }) =>
      since === undefined ? [] : [{ base: baseOf(room), ...(id === undefined ? {} : { id }), since }],
    );
  }

  /** Joins; `live` is called when everything in the room is heard from now on. With `from` what came after it is told first. */
  join(room: Room, id: string | undefined, tenant: string, live: (at: Offset) => readonly Out[], from?: Offset): readonly Out[] {
    const name = roomName(room, id);
    const effects: Out[] = [];
    const subscriptions: string[] = [];
    const watches = watchesOf(room, id, tenant, this.#legacyMessages);
    let left = watches.length;
    this.#count += 1;
    const joined: Joined = { room, id, since: from?.seq, subscriptions };
    for (const [at, { to, view }] of watches.entries()) {
      const subscription = `${this.#count}:${at}:${name}`;
      subscriptions.push(subscription);
      this.#coming.set(subscription, (place) => {
        left -= 1;
        if (left > 0) return [];
        joined.since ??= place.seq;
        return live(place);
      });
      const shown = this.#offsets ? { ...view, shape: withOffset(view.shape) } : view;
      effects.push({ do: 'subscribe', id: subscription, to, view: shown, ...(from === undefined ? {} : { since: from }) });
    }
    const parent = signalsOf(room, id);
    if (parent !== undefined) {
      subscriptions.push(`signals:${parent}`);
      effects.unshift({ do: 'listen', id: `signals:${parent}`, subject: sagaSignal.subject({ tenant, parent }) });
    }
    this.#joined.set(name, joined);
    return effects;
  }

  /** A subscription is live. */
  subscribed(subscription: string, at: Offset): readonly Out[] {
    const live = this.#coming.get(subscription);
    this.#coming.delete(subscription);
    return live?.(at) ?? [];
  }

  /** A subscription has ended by itself: whose room was still being joined, and what leaves the rest of it. Undefined: it was of no room. */
  lost(subscription: string): { readonly joining: boolean; readonly leave: () => readonly Out[] } | undefined {
    for (const [name, joined] of this.#joined) {
      if (!joined.subscriptions.includes(subscription)) continue;
      return { joining: this.#coming.has(subscription), leave: () => this.#leave(name, joined) };
    }
    return undefined;
  }

  /** Leaves the room of one of the names, if it was joined. */
  leave(rooms: readonly Room[], id: string | undefined): readonly Out[] {
    for (const room of rooms) {
      const name = roomName(room, id);
      const joined = this.#joined.get(name);
      if (joined !== undefined) return this.#leave(name, joined);
    }
    return [];
  }

  /** Leaves all rooms but those that may stay. */
  leaveUnless(stays: (room: Room, id: string | undefined) => boolean): readonly Out[] {
    return [...this.#joined].flatMap(([name, joined]) => (stays(joined.room, joined.id) ? [] : this.#leave(name, joined)));
  }

  #leave(name: string, { subscriptions }: Joined): readonly Out[] {
    this.#joined.delete(name);
    for (const subscription of subscriptions) this.#coming.delete(subscription);
    return subscriptions.map((id): Out => ({ do: 'unsubscribe', id }));
  }
}

/** The rooms that one socket has joined (Saga protocol page, 3.2): what it watches and hears for each of them. */
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { Effect } from '@polyedge/session/session';
import type { SagaOut } from './codec.ts';
import { type Room, roomName, signalsOf, watchesOf } from './joins.ts';

type Out = Effect<SagaOut>;

interface Joined {
  readonly room: Room;
  readonly id: string | undefined;
  readonly subscriptions: readonly string[];
}

export class Rooms {
  readonly #legacyMessages: boolean;
  readonly #joined = new Map<string, Joined>();
  /** Subscriptions of the join at work that are not live yet. */
  readonly #coming = new Map<string, () => readonly Out[]>();
  #count = 0;

  /** @param legacyMessages whether messages are also sent under the name that the Unity client listens to */
  constructor(legacyMessages: boolean) {
    this.#legacyMessages = legacyMessages;
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

  /** Joins; `live` is called when everything in the room is heard from now on. */
  join(room: Room, id: string | undefined, tenant: string, live: () => readonly Out[]): readonly Out[] {
    const name = roomName(room, id);
    const effects: Out[] = [];
    const subscriptions: string[] = [];
    const watches = watchesOf(room, id, tenant, this.#legacyMessages);
    let left = watches.length;
    this.#count += 1;
    for (const [at, { to, view }] of watches.entries()) {
      const subscription = `${this.#count}:${at}:${name}`;
      subscriptions.push(subscription);
      this.#coming.set(subscription, () => {
        left -= 1;
        return left === 0 ? live() : [];
      });
      effects.push({ do: 'subscribe', id: subscription, to, view });
    }
    const parent = signalsOf(room, id);
    if (parent !== undefined) {
      subscriptions.push(`signals:${parent}`);
      effects.unshift({ do: 'listen', id: `signals:${parent}`, subject: sagaSignal.subject({ tenant, parent }) });
    }
    this.#joined.set(name, { room, id, subscriptions });
    return effects;
  }

  /** A subscription is live. */
  subscribed(subscription: string): readonly Out[] {
    const live = this.#coming.get(subscription);
    this.#coming.delete(subscription);
    return live?.() ?? [];
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

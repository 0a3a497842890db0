/**
 * Subscriptions with a filter whose session receives the changes: only those whose state before or after matches. Handlers of one interest
 * share one watch of the feed, equal filters are evaluated once per change, and filters are indexed by their equalities, so ten thousand
 * distinct filters do not cost ten thousand evaluations. A change is delivered to its handlers in the order in which they subscribed, with
 * the filter's result.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { type Interest, interestName } from '@polyedge/contracts/interest';
import type { Filter } from '@polyedge/query/filter';
import { FilterIndex } from '@polyedge/query/filter-index';
import type { ChangeMatch } from '@polyedge/session/session';
import type { Feed, Watch, WatchHandler } from '../feed/watch.ts';
import type { Packet } from '../transport/wire.ts';
import type { ChangeCache } from './change-cache.ts';

/** A `WatchHandler` that also receives the filter's result for each change. */
export interface FilteredHandler extends Omit<WatchHandler, 'change' | 'waits'> {
  change(change: FullChange, match: ChangeMatch): void;
}

interface FilteredSubscription {
  readonly number: number;
  readonly handler: FilteredHandler;
  /** Changes up to this seq precede the subscription. */
  from: number;
  open: boolean;
}

/** All subscriptions of one interest, on one watch. */
interface FilteredRoom {
  readonly name: string;
  readonly index: FilterIndex<FilteredSubscription>;
  readonly members: Set<FilteredSubscription>;
  watch: Watch | undefined;
  /** Position up to which changes were delivered; undefined until the watch is live. */
  position: { readonly seq: number; readonly epoch: string } | undefined;
}

export class FilteredSubscriptions {
  readonly #feed: Feed;
  readonly #cache: Pick<ChangeCache<Packet>, 'before'>;
  readonly #rooms = new Map<string, FilteredRoom>();
  #joined = 0;

  constructor(feed: Feed, cache: Pick<ChangeCache<Packet>, 'before'>) {
    this.#feed = feed;
    this.#cache = cache;
  }

  /** Numbers of interests, members and distinct filters, for metrics. */
  get size(): { readonly interests: number; readonly members: number; readonly groups: number } {
    let members = 0;
    let groups = 0;
    for (const room of this.#rooms.values()) {
      members += room.members.size;
      groups += room.index.groups;
    }
    return { interests: this.#rooms.size, members, groups };
  }

  /** Like `Feed.watch`, but `live` is called within this call if the interest is already watched. `batchEnd` is not passed on. */
  watch(interest: Interest, where: Filter, handler: FilteredHandler): Watch {
    const room = this.#room(interest);
    this.#joined += 1;
    const member: FilteredSubscription = { number: this.#joined, handler, from: 0, open: true };
    room.members.add(member);
    room.index.add(where, member);
    const { position } = room;
    if (position !== undefined) {
      member.from = position.seq;
      handler.live(position.seq, position.epoch);
    }
    return { close: () => this.#leave(room, member) };
  }

  #room(interest: Interest): FilteredRoom {
    const name = interestName(interest);
    const known = this.#rooms.get(name);
    if (known !== undefined) return known;
    const room: FilteredRoom = { name, index: new FilterIndex(), members: new Set(), watch: undefined, position: undefined };
    this.#rooms.set(name, room);
    room.watch = this.#feed.watch(interest, {
      live: (seq, epoch) => {
        room.position = { seq, epoch };
        for (const member of [...room.members]) {
          member.from = seq;
          if (member.open) member.handler.live(seq, epoch);
        }
      },
      change: (change) => deliver(room, change, this.#cache.before(change)),
      lost: (failure) => {
        this.#rooms.delete(room.name);
        room.watch = undefined;
        for (const member of [...room.members]) {
          if (!member.open) continue;
          this.#leave(room, member);
          member.handler.lost(failure);
        }
      },
    });
    return room;
  }

  #leave(room: FilteredRoom, member: FilteredSubscription): void {
    if (!member.open) return;
    member.open = false;
    room.members.delete(member);
    room.index.remove(member);
    if (room.members.size > 0) return;
    room.watch?.close();
    if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
  }
}

function deliver(room: FilteredRoom, change: FullChange, before: Element | undefined): void {
  // The epoch stays that of the watch: a change of an earlier one keeps its own.
  room.position = { seq: change.seq, epoch: room.position?.epoch ?? change.epoch };
  const found = new Map<FilteredSubscription, ChangeMatch>();
  const entered: ChangeMatch = { before, was: false, is: true };
  room.index.match(change.state, (member) => {
    if (member.from < change.seq) found.set(member, entered);
  });
  if (before !== undefined) {
    const stayed: ChangeMatch = { before, was: true, is: true };
    const left: ChangeMatch = { before, was: true, is: false };
    room.index.match(before, (member) => {
      if (member.from < change.seq) found.set(member, found.has(member) ? stayed : left);
    });
  }
  if (found.size === 0) return;
  const ordered = found.size === 1 ? found : [...found].sort(([one], [other]) => one.number - other.number);
  for (const [member, match] of ordered) if (member.open) member.handler.change(change, match);
}

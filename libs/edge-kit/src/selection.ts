/**
 * Watches with a filter: every handler hears only of changes whose state before or after matches. Handlers of one interest share one watch of
 * the feed, equal filters are evaluated once per change, and filters are indexed by their equalities, so ten thousand different ones do not
 * cost ten thousand evaluations. A change goes to its handlers in the order in which they came.
 */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import { type Interest, interestName } from '@polyedge/contracts/interest';
import { FilterIndex } from '@polyedge/query/equality-index';
import type { Filter } from '@polyedge/query/filter';
import type { Feed, Watch, WatchHandler } from './feed/watch.ts';

interface Member {
  readonly number: number;
  readonly handler: WatchHandler;
  /** Changes up to here were before it joined. */
  from: number;
  open: boolean;
}

/** All members of one interest, on one watch. */
interface Room {
  readonly name: string;
  readonly index: FilterIndex<Member>;
  readonly members: Set<Member>;
  watch: Watch | undefined;
  /** Up to where changes were handed out; undefined until the watch is live. */
  position: { readonly seq: number; readonly epoch: string } | undefined;
}

export class Selection {
  readonly #feed: Feed;
  readonly #rooms = new Map<string, Room>();
  #joined = 0;

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** Interests, members and different filters, for metrics. */
  get size(): { readonly interests: number; readonly members: number; readonly groups: number } {
    let members = 0;
    let groups = 0;
    for (const room of this.#rooms.values()) {
      members += room.members.size;
      groups += room.index.groups;
    }
    return { interests: this.#rooms.size, members, groups };
  }

  /** Like `Feed.watch`, but `live` comes from within this call when the interest is watched already. `batchEnd` is not passed on. */
  watch(interest: Interest, where: Filter, handler: WatchHandler): Watch {
    const room = this.#room(interest);
    this.#joined += 1;
    const member: Member = { number: this.#joined, handler, from: 0, open: true };
    room.members.add(member);
    room.index.add(where, member);
    const { position } = room;
    if (position !== undefined) {
      member.from = position.seq;
      handler.live(position.seq, position.epoch);
    }
    return { close: () => this.#leave(room, member) };
  }

  #room(interest: Interest): Room {
    const name = interestName(interest);
    const known = this.#rooms.get(name);
    if (known !== undefined) return known;
    const room: Room = { name, index: new FilterIndex(), members: new Set(), watch: undefined, position: undefined };
    this.#rooms.set(name, room);
    room.watch = this.#feed.watch(interest, {
      live: (seq, epoch) => {
        room.position = { seq, epoch };
        for (const member of [...room.members]) {
          member.from = seq;
          if (member.open) member.handler.live(seq, epoch);
        }
      },
      change: (change) => tellChange(room, change),
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

  #leave(room: Room, member: Member): void {
    if (!member.open) return;
    member.open = false;
    room.members.delete(member);
    room.index.remove(member);
    if (room.members.size > 0) return;
    room.watch?.close();
    if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
  }
}

function tellChange(room: Room, change: FullChange): void {
  room.position = { seq: change.seq, epoch: change.epoch };
  const found = new Set<Member>();
  const find = (member: Member): void => {
    if (member.from < change.seq) found.add(member);
  };
  room.index.match(change.state, find);
  const before = stateBefore(change.state, change.undo);
  if (before !== undefined) room.index.match(before, find);
  if (found.size === 0) return;
  const ordered = found.size === 1 ? found : [...found].sort((one, other) => one.number - other.number);
  for (const member of ordered) if (member.open) member.handler.change(change);
}

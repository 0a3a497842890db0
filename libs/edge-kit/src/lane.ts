/**
 * The broadcast lane: changes that need no session to become frames. Subscriptions are grouped by what they see, a change is translated and
 * packed once per shape, and every socket that sees it gets the same packet.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { stateBefore } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { type Interest, interestName } from '@polyedge/contracts/interest';
import type { Document } from '@polyedge/query/document';
import { FilterIndex } from '@polyedge/query/equality-index';
import { key } from '@polyedge/query/normalize';
import type { View } from '@polyedge/session/session';
import type { Tag } from './outbox.ts';
import type { Feed, Watch } from './watch.ts';
import type { Packet } from './wire.ts';

/** The lane's side of one connection. */
export interface Sink<P extends Packet> {
  /** A frame for a change; `tag` says when it must no longer be sent. */
  deliver(packet: P, change: FullChange, tag: Tag): void;
  /** How many lane subscriptions the socket has; the lane keeps it. */
  laneCount: number;
  /** Where the lane remembers what this socket got in the current tick; the lane keeps it. */
  laneSeen: Map<string, Map<number, SharedTag>> | undefined;
}

export interface LaneOptions<P extends Packet> {
  readonly feed: Feed;
  /** The packet that shows a change in a view, or undefined for none. Pure in (change, view.shape). */
  frame(change: FullChange, view: View): P | undefined;
  /** What filters look at. Default: the state after the change. */
  document?(change: FullChange): Document;
}

/** One subscription of one socket. `live` is false from the moment it is closed: its queued frames are not sent. */
export class LaneSubscription<P extends Packet> implements Tag {
  readonly sink: Sink<P>;
  readonly onLive: (seq: number, epoch: string) => void;
  readonly onLost: (failure: Failure) => void;
  live = true;
  /** Changes up to here were before this subscription. */
  from = 0;
  readonly #close: (subscription: LaneSubscription<P>) => void;

  constructor(
    sink: Sink<P>,
    handler: { live(seq: number, epoch: string): void; lost(failure: Failure): void },
    close: (subscription: LaneSubscription<P>) => void,
  ) {
    this.sink = sink;
    this.onLive = handler.live;
    this.onLost = handler.lost;
    this.#close = close;
  }

  /** Ends it at once. Closing twice is fine. */
  close(): void {
    if (!this.live) return;
    this.live = false;
    this.#close(this);
  }
}

/** The tag of a frame that several subscriptions of one socket see: sent while one of them lives. */
export class SharedTag implements Tag {
  readonly #owners: Tag[];

  constructor(first: Tag) {
    this.#owners = [first];
  }

  get live(): boolean {
    return this.#owners.some((owner) => owner.live);
  }

  add(owner: Tag): void {
    this.#owners.push(owner);
  }
}

/** Subscriptions with equal interest and view. */
interface Group<P extends Packet> {
  readonly name: string;
  readonly view: View;
  readonly members: Set<LaneSubscription<P>>;
}

/** All groups of one interest, on one watch. */
interface Room<P extends Packet> {
  readonly name: string;
  readonly groups: Map<string, Group<P>>;
  /** Filters on the state after. */
  readonly after: FilterIndex<Group<P>>;
  /** Those of `after` that also look at the state before. */
  readonly either: FilterIndex<Group<P>>;
  watch: Watch | undefined;
  /** Up to where changes were handed out; undefined until the watch is live. */
  position: { seq: number; epoch: string } | undefined;
}

export class Lane<P extends Packet> {
  readonly #feed: Feed;
  readonly #frame: (change: FullChange, view: View) => P | undefined;
  readonly #document: (change: FullChange) => Document;
  readonly #rooms = new Map<string, Room<P>>();
  /** The packets of the newest change, by shape: several rooms may show the same one. */
  #packed: { readonly seq: number; readonly epoch: string; readonly byShape: Map<string, P | undefined> } | undefined;
  /** Sinks whose `laneSeen` has to be forgotten at the end of the tick. */
  readonly #marked = new Set<Sink<P>>();

  constructor({ feed, frame, document }: LaneOptions<P>) {
    this.#feed = feed;
    this.#frame = frame;
    this.#document = document ?? ((change) => change.state);
  }

  /** Rooms and groups, for metrics. */
  get size(): { readonly interests: number; readonly groups: number } {
    let groups = 0;
    for (const room of this.#rooms.values()) groups += room.groups.size;
    return { interests: this.#rooms.size, groups };
  }

  /** Starts a subscription. `live` comes from within this call when the interest is watched already; after `lost` it has ended. */
  subscribe(
    interest: Interest,
    view: View,
    sink: Sink<P>,
    handler: { live(seq: number, epoch: string): void; lost(failure: Failure): void },
  ): LaneSubscription<P> {
    const room = this.#room(interest);
    const group = this.#group(room, view);
    const subscription = new LaneSubscription<P>(sink, handler, (closed) => this.#leave(room, group, closed));
    sink.laneCount += 1;
    group.members.add(subscription);
    const position = room.position;
    if (position !== undefined) {
      subscription.from = position.seq;
      subscription.onLive(position.seq, position.epoch);
    }
    return subscription;
  }

  #room(interest: Interest): Room<P> {
    const name = interestName(interest);
    const known = this.#rooms.get(name);
    if (known !== undefined) return known;
    const room: Room<P> = {
      name,
      groups: new Map(),
      after: new FilterIndex(),
      either: new FilterIndex(),
      watch: undefined,
      position: undefined,
    };
    this.#rooms.set(name, room);
    room.watch = this.#feed.watch(interest, {
      live: (seq, epoch) => {
        room.position = { seq, epoch };
        for (const subscription of membersOf(room)) {
          subscription.from = seq;
          if (subscription.live) subscription.onLive(seq, epoch);
        }
      },
      change: (change) => this.#change(room, change),
      batchEnd: () => this.#forget(),
      lost: (failure) => {
        const lost = membersOf(room);
        this.#rooms.delete(room.name);
        room.watch = undefined;
        for (const subscription of lost) {
          if (!subscription.live) continue;
          subscription.close();
          subscription.onLost(failure);
        }
      },
    });
    return room;
  }

  #group(room: Room<P>, view: View): Group<P> {
    const name = `${view.on ?? 'after'} ${JSON.stringify(view.shape)} ${key(view.filter)}`;
    const known = room.groups.get(name);
    if (known !== undefined) return known;
    const group: Group<P> = { name, view, members: new Set() };
    room.groups.set(name, group);
    room.after.add(view.filter, group);
    if (view.on === 'either') room.either.add(view.filter, group);
    return group;
  }

  #leave(room: Room<P>, group: Group<P>, subscription: LaneSubscription<P>): void {
    subscription.sink.laneCount -= 1;
    group.members.delete(subscription);
    if (group.members.size > 0) return;
    room.groups.delete(group.name);
    room.after.remove(group);
    room.either.remove(group);
    if (room.groups.size > 0) return;
    room.watch?.close();
    if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
  }

  #change(room: Room<P>, change: FullChange): void {
    room.position = { seq: change.seq, epoch: change.epoch };
    if (room.either.size === 0) {
      room.after.match(this.#document(change), (group) => this.#show(group, change));
      return;
    }
    const groups = new Set<Group<P>>();
    room.after.match(this.#document(change), (group) => groups.add(group));
    const before = stateBefore(change.state, change.undo);
    if (before !== undefined) room.either.match(before, (group) => groups.add(group));
    for (const group of groups) this.#show(group, change);
  }

  #show(group: Group<P>, change: FullChange): void {
    const packet = this.#packet(group.view, change);
    if (packet === undefined) return;
    for (const subscription of group.members) {
      if (subscription.from >= change.seq) continue;
      const { sink } = subscription;
      if (sink.laneCount === 1) sink.deliver(packet, change, subscription);
      else this.#deliverOnce(sink, packet, group.view.shape, change, subscription);
    }
  }

  /** A socket with several subscriptions gets one frame per (seq, shape). */
  #deliverOnce(sink: Sink<P>, packet: P, shape: string, change: FullChange, tag: Tag): void {
    if (sink.laneSeen === undefined) {
      sink.laneSeen = new Map();
      this.#marked.add(sink);
    }
    let seqs = sink.laneSeen.get(shape);
    if (seqs === undefined) {
      seqs = new Map();
      sink.laneSeen.set(shape, seqs);
    }
    const shown = seqs.get(change.seq);
    if (shown !== undefined) {
      shown.add(tag);
      return;
    }
    const shared = new SharedTag(tag);
    seqs.set(change.seq, shared);
    sink.deliver(packet, change, shared);
  }

  #packet(view: View, change: FullChange): P | undefined {
    if (this.#packed?.seq !== change.seq || this.#packed.epoch !== change.epoch) {
      this.#packed = { seq: change.seq, epoch: change.epoch, byShape: new Map() };
    }
    const { byShape } = this.#packed;
    if (byShape.has(view.shape)) return byShape.get(view.shape);
    const packet = this.#frame(change, view);
    byShape.set(view.shape, packet);
    return packet;
  }

  #forget(): void {
    for (const sink of this.#marked) sink.laneSeen = undefined;
    this.#marked.clear();
  }
}

function membersOf<P extends Packet>(room: Room<P>): LaneSubscription<P>[] {
  return [...room.groups.values()].flatMap((group) => [...group.members]);
}

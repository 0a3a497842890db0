/**
 * Serves subscriptions whose changes become frames without a session. Subscriptions are grouped by interest and view; a change is
 * translated and packed once per shape, and every socket that sees it receives the same packet.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { type Interest, interestName } from '@polyedge/contracts/interest';
import { FilterIndex } from '@polyedge/query/filter-index';
import { key } from '@polyedge/query/normalize';
import type { View } from '@polyedge/session/session';
import type { Feed, Watch } from '../feed/watch.ts';
import type { Tag } from '../transport/outbox.ts';
import type { Packet } from '../transport/wire.ts';
import { CatchUp, type ReadChanges } from './broadcast-catch-up.ts';
import { BroadcastOrder, type FrameSink } from './broadcast-order.ts';
import type { ChangeCache } from './change-cache.ts';

/** A connection, as the broadcaster sees it. */
export interface Sink<P extends Packet> extends FrameSink<P> {
  /** Number of the socket's broadcaster subscriptions; maintained by the broadcaster. */
  broadcastCount: number;
  /** Orders the frames of several subscriptions; undefined until there are several. Maintained by the broadcaster. */
  broadcastOrder: BroadcastOrder<P> | undefined;
}

export interface BroadcasterOptions<P extends Packet> {
  readonly feed: Feed;
  readonly cache: ChangeCache<P>;
  /** For subscriptions that resume from the past. */
  readonly changes?: ReadChanges;
}

/** One subscription of one socket. `live` becomes false when it is closed: its queued frames are not sent. */
export class BroadcastSubscription<P extends Packet> implements Tag {
  readonly sink: Sink<P>;
  readonly onLive: (seq: number, epoch: string) => void;
  readonly onLost: (failure: Failure) => void;
  live = true;
  /** Changes up to this seq precede the subscription. */
  #from = 0;
  readonly #close: (subscription: BroadcastSubscription<P>) => void;

  constructor(
    sink: Sink<P>,
    handler: { live(seq: number, epoch: string): void; lost(failure: Failure): void },
    close: (subscription: BroadcastSubscription<P>) => void,
  ) {
    this.sink = sink;
    this.onLive = handler.live;
    this.onLost = handler.lost;
    this.#close = close;
  }

  /**
   * Skips changes up to this seq: the client already has them or did not request them. The feed may be behind what the client received
   * elsewhere.
   */
  begin(seq: number): void {
    this.#from = Math.max(this.#from, seq);
  }

  isAfterBegin(seq: number): boolean {
    return seq > this.#from;
  }

  /** Ends the subscription at once. Closing twice is allowed. */
  close(): void {
    if (!this.live) return;
    this.live = false;
    this.#close(this);
  }
}

/** Subscriptions with the same interest and view. */
interface SharedView<P extends Packet> {
  readonly name: string;
  readonly view: View;
  readonly members: Set<BroadcastSubscription<P>>;
}

/** All groups of one interest, served by one watch. */
interface Room<P extends Packet> {
  readonly name: string;
  readonly groups: Map<string, SharedView<P>>;
  /** Filters on the state after a change. */
  readonly after: FilterIndex<SharedView<P>>;
  /** Those of `after` that also consider the state before. */
  readonly either: FilterIndex<SharedView<P>>;
  watch: Watch | undefined;
  /** Position up to which changes were delivered; undefined until the watch is live. */
  position: { seq: number; epoch: string } | undefined;
  /** The seq whose body this room waits for; other rooms may be ahead. */
  waitsFor: number | undefined;
  /** Subscriptions per socket. Computed on first use while the room waits. */
  sinks: Map<Sink<P>, number> | undefined;
}

export class Broadcaster<P extends Packet> {
  readonly #feed: Feed;
  readonly #cache: ChangeCache<P>;
  readonly #changes: ReadChanges | undefined;
  readonly #rooms = new Map<string, Room<P>>();
  /** The newest change delivered to any room. */
  #newest: { readonly seq: number; readonly epoch: string } | undefined;
  /** Rooms that wait for a body, and sockets with held-back frames. */
  readonly #waitingRooms = new Set<Room<P>>();
  readonly #waitingSinks = new Set<Sink<P>>();
  /** While a loss is being reported: the sockets whose held-back frames are released afterwards. */
  #afterLoss: Set<Sink<P>> | undefined;
  /** Sockets that are catching up; new frames are held back meanwhile. */
  readonly #catchUps = new Map<Sink<P>, CatchUp<BroadcastSubscription<P>>>();

  constructor({ feed, cache, changes }: BroadcasterOptions<P>) {
    this.#feed = feed;
    this.#cache = cache;
    this.#changes = changes;
  }

  /** Numbers of rooms and groups, for metrics. */
  get size(): { readonly interests: number; readonly groups: number } {
    let groups = 0;
    for (const room of this.#rooms.values()) groups += room.groups.size;
    return { interests: this.#rooms.size, groups };
  }

  /**
   * Starts a subscription. `live` is called within this call if the interest is already watched; after `lost` the subscription has ended.
   * With `since`, changes after that position are shown before `live`; all such subscriptions of a socket must be started in the same turn.
   */
  subscribe(
    interest: Interest,
    view: View,
    sink: Sink<P>,
    handler: { live(seq: number, epoch: string): void; lost(failure: Failure): void },
    since?: { readonly seq: number; readonly epoch: string },
  ): BroadcastSubscription<P> {
    const room = this.#room(interest);
    const group = this.#group(room, view);
    let coming: { live(seq: number, epoch: string, then: () => void): void } | undefined;
    const live = (seq: number, epoch: string): void => coming?.live(seq, epoch, () => handler.live(seq, epoch));
    const own = since === undefined ? handler : { live, lost: handler.lost };
    const subscription = new BroadcastSubscription<P>(sink, own, (closed) => this.#leave(room, group, closed));
    if (since !== undefined) {
      subscription.begin(since.seq);
      coming = this.#catchUp(sink, since.epoch).add({ subscription, interest, view, after: since.seq });
    }
    sink.broadcastCount += 1;
    group.members.add(subscription);
    room.sinks?.set(sink, (room.sinks.get(sink) ?? 0) + 1);
    if (room.position !== undefined) {
      const position = this.#newestOf(room.position);
      subscription.begin(position.seq);
      subscription.onLive(position.seq, position.epoch);
    }
    return subscription;
  }

  /** Where a subscription that joins a room begins: after everything that another room may have shown to the same socket. */
  #newestOf(position: { readonly seq: number; readonly epoch: string }): { readonly seq: number; readonly epoch: string } {
    return this.#newest?.epoch === position.epoch && this.#newest.seq > position.seq ? this.#newest : position;
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
      waitsFor: undefined,
      sinks: undefined,
    };
    this.#rooms.set(name, room);
    room.watch = this.#feed.watch(interest, {
      live: (seq, epoch) => {
        room.position = { seq, epoch };
        for (const subscription of membersOf(room)) {
          subscription.begin(seq);
          if (subscription.live) subscription.onLive(seq, epoch);
        }
      },
      change: (change) => this.#change(room, change),
      waits: (seq) => this.#waits(room, seq),
      lost: (failure) => {
        this.#rooms.delete(room.name);
        room.watch = undefined;
        this.#lose(membersOf(room), failure);
      },
    });
    return room;
  }

  #group(room: Room<P>, view: View): SharedView<P> {
    const name = `${view.on ?? 'after'} ${JSON.stringify(view.shape)} ${key(view.filter)}`;
    const known = room.groups.get(name);
    if (known !== undefined) return known;
    const group: SharedView<P> = { name, view, members: new Set() };
    room.groups.set(name, group);
    room.after.add(view.filter, group);
    if (view.on === 'either') room.either.add(view.filter, group);
    return group;
  }

  #leave(room: Room<P>, group: SharedView<P>, subscription: BroadcastSubscription<P>): void {
    const { sink } = subscription;
    sink.broadcastCount -= 1;
    group.members.delete(subscription);
    if (group.members.size === 0) {
      room.groups.delete(group.name);
      room.after.remove(group);
      room.either.remove(group);
      if (room.groups.size === 0) this.#end(room);
    }
    const left = (room.sinks?.get(sink) ?? 0) - 1;
    if (left > 0) room.sinks?.set(sink, left);
    else room.sinks?.delete(sink);
    const catchUp = this.#catchUps.get(sink);
    catchUp?.left(subscription);
    if (sink.broadcastCount === 0) {
      catchUp?.stop();
      this.#catchUps.delete(sink);
      sink.broadcastOrder = undefined;
      this.#waitingSinks.delete(sink);
    } else if (this.#afterLoss !== undefined) this.#afterLoss.add(sink);
    else if (this.#waitingSinks.has(sink)) this.#release(sink);
  }

  #end(room: Room<P>): void {
    room.watch?.close();
    this.#waitingRooms.delete(room);
    if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
  }

  #change(room: Room<P>, change: FullChange): void {
    const { seq, epoch } = change;
    room.position = { seq, epoch };
    if (this.#newest?.epoch !== epoch || this.#newest.seq < seq) this.#newest = room.position;
    if (room.either.size === 0) {
      room.after.match(this.#cache.document(change), (group) => this.#show(group, change));
      return;
    }
    const groups = new Set<SharedView<P>>();
    room.after.match(this.#cache.document(change), (group) => groups.add(group));
    const before = this.#cache.before(change);
    if (before !== undefined) room.either.match(before, (group) => groups.add(group));
    for (const group of groups) this.#show(group, change);
  }

  #show(group: SharedView<P>, change: FullChange): void {
    const packet = this.#cache.frame(change, group.view);
    if (packet === undefined) return;
    for (const subscription of group.members) {
      if (!subscription.isAfterBegin(change.seq)) continue;
      const { sink } = subscription;
      // Only sockets with several subscriptions need deduplication and ordering.
      if (sink.broadcastOrder === undefined && sink.broadcastCount === 1) sink.deliver(packet, change, subscription);
      else this.#inOrder(sink, packet, group.view.shape, change, subscription);
    }
  }

  #inOrder(sink: Sink<P>, packet: P, shape: string, change: FullChange, tag: Tag): void {
    sink.broadcastOrder ??= new BroadcastOrder(sink);
    const order = sink.broadcastOrder;
    order.offer(packet, change, shape, tag, this.#upTo(sink));
    if (!order.waiting) return;
    this.#waitingSinks.add(sink);
    if (order.full) this.#giveUp(sink);
  }

  /** The room starts, changes or ends its wait for a missing body. */
  #waits(room: Room<P>, seq: number | undefined): void {
    room.waitsFor = seq;
    if (seq !== undefined) this.#waitingRooms.add(room);
    else if (!this.#waitingRooms.delete(room)) return;
    for (const sink of this.#waitingSinks) if (sinksOf(room).has(sink)) this.#release(sink);
    if (seq === undefined) room.sinks = undefined;
  }

  /** Everything before this seq was delivered to all subscriptions of the socket: the lowest seq that one of its rooms waits for. */
  #upTo(sink: Sink<P>): number {
    if (this.#waitingRooms.size === 0 && this.#catchUps.size === 0) return Number.POSITIVE_INFINITY;
    let upTo = this.#catchUps.get(sink)?.upTo ?? Number.POSITIVE_INFINITY;
    for (const room of this.#waitingRooms) {
      if (room.waitsFor !== undefined && room.waitsFor < upTo && sinksOf(room).has(sink)) upTo = room.waitsFor;
    }
    return upTo;
  }

  #release(sink: Sink<P>): void {
    sink.broadcastOrder?.release(this.#upTo(sink));
    if (sink.broadcastOrder?.waiting !== true) this.#waitingSinks.delete(sink);
  }

  /** Ends the subscriptions that a socket waits for, so that frames need no longer be held back. */
  #giveUp(sink: Sink<P>): void {
    const rooms = this.#catchUps.has(sink) ? this.#rooms.values() : this.#waitingRooms;
    const lost = [...rooms].flatMap((room) => liveOf(room, sink));
    this.#lose(lost, { code: 'lost', detail: 'a change that others wait for did not arrive in time' });
  }

  /**
   * Ends subscriptions. What was held back behind them is released when all are reported: a session that ends with the loss must not have
   * sent anything later, after which its client would resume.
   */
  #lose(lost: readonly BroadcastSubscription<P>[], failure: Failure): void {
    const isOutermost = this.#afterLoss === undefined;
    this.#afterLoss ??= new Set();
    for (const subscription of lost) {
      if (!subscription.live) continue;
      subscription.close();
      subscription.onLost(failure);
    }
    if (!isOutermost) return;
    const sinks = this.#afterLoss;
    this.#afterLoss = undefined;
    for (const sink of sinks) if (this.#waitingSinks.has(sink)) this.#release(sink);
  }

  #catchUp(sink: Sink<P>, epoch: string): CatchUp<BroadcastSubscription<P>> {
    const known = this.#catchUps.get(sink);
    if (known !== undefined) return known;
    const read = this.#changes;
    if (read === undefined) throw new Error('this broadcaster has no journal to catch up with');
    sink.broadcastOrder ??= new BroadcastOrder(sink);
    const catchUp = new CatchUp<BroadcastSubscription<P>>({
      epoch,
      read,
      cache: this.#cache,
      show: ({ subscription, view }, change) => {
        const packet = this.#cache.frame(change, view);
        if (packet !== undefined) sink.broadcastOrder?.offer(packet, change, view.shape, subscription, this.#upTo(sink));
      },
      reached: () => this.#release(sink),
      ended: (failure) => {
        this.#catchUps.delete(sink);
        if (failure === undefined) this.#release(sink);
        else
          this.#lose(
            [...this.#rooms.values()].flatMap((room) => liveOf(room, sink)),
            failure,
          );
      },
    });
    this.#catchUps.set(sink, catchUp);
    return catchUp;
  }
}

function sinksOf<P extends Packet>(room: Room<P>): Map<Sink<P>, number> {
  if (room.sinks === undefined) {
    room.sinks = new Map();
    for (const { sink } of membersOf(room)) room.sinks.set(sink, (room.sinks.get(sink) ?? 0) + 1);
  }
  return room.sinks;
}

const liveOf = <P extends Packet>(room: Room<P>, sink: Sink<P>): BroadcastSubscription<P>[] =>
  membersOf(room).filter((subscription) => subscription.sink === sink && subscription.live);

function membersOf<P extends Packet>(room: Room<P>): BroadcastSubscription<P>[] {
  return [...room.groups.values()].flatMap((group) => [...group.members]);
}

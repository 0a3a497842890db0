/**
 * The group membership of one connection: sends the changes it receives, follows them with a ping, and acknowledges them when the pong
 * arrives. One ping covers everything sent in one turn of the event loop, and few pings are in flight at a time.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { Effect, View } from '@polyedge/session/session';
import { type BatchFrames, BatchView, type ShownBatch } from '../fanout/batch-frames.ts';
import type { Packet } from '../transport/wire.ts';
import type { ConsumerGroups, MemberClient } from './consumer-groups.ts';

/**
 * Maximum number of pings in flight; what is sent meanwhile is confirmed by the next one. A client that was busy for a while reads them all
 * at once, and `ws` 8.23 treats 60 unanswered pings as an attack and closes the connection without a close frame.
 */
export const MAX_AWAITED_PONGS = 16;

export interface GroupConsumerOptions<P extends Packet> {
  readonly groups: ConsumerGroups;
  readonly frames: Pick<BatchFrames<unknown, P>, 'of'>;
  now(): number;
  client(): MemberClient;
  push(shown: ShownBatch<P>): void;
  /** Sends a ping and calls back on its pong. */
  ping(then: () => void): void;
  lost(id: string, failure: Failure): void;
}

interface AwaitedPong {
  readonly at: number;
  readonly ack: readonly (() => void)[];
}

export class GroupConsumer<P extends Packet> {
  readonly #options: GroupConsumerOptions<P>;
  readonly #id: string;
  readonly #group: string;
  #view: BatchView;
  readonly #membership: { leave(): void };
  /** Acknowledged when the next ping is confirmed. */
  #waiting: (() => void)[] = [];
  readonly #awaitedPongs: AwaitedPong[] = [];
  #written = false;
  #ended = false;

  constructor(effect: Extract<Effect<unknown>, { do: 'join' }>, options: GroupConsumerOptions<P>) {
    this.#options = options;
    this.#id = effect.id;
    this.#group = groupOf(effect);
    this.#view = new BatchView(effect.view);
    this.#membership = options.groups.join(effect.group, {
      client: options.client,
      batch: (changes, ack, shared) => this.#batch(changes, ack, shared),
      lost: (failure) => {
        if (this.#ended) return;
        this.end();
        options.lost(this.#id, failure);
      },
    });
  }

  get id(): string {
    return this.#id;
  }

  /** Whether the effect names this membership, so that only its view changes. */
  is(effect: Extract<Effect<unknown>, { do: 'join' }>): boolean {
    return effect.id === this.#id && groupOf(effect) === this.#group;
  }

  show(view: View): void {
    this.#view = new BatchView(view);
  }

  /** When the oldest unanswered ping was sent; undefined if none is in flight. */
  get unansweredSince(): number | undefined {
    return this.#awaitedPongs[0]?.at;
  }

  /** From now on frames count as acknowledged once written: the client's stack never answers pings, though the client is alive. */
  trustWritten(): void {
    this.#written = true;
    const awaited = this.#awaitedPongs.splice(0);
    const waiting = this.#waiting.splice(0);
    for (const { ack } of awaited) for (const one of ack) one();
    for (const one of waiting) one();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#awaitedPongs.length = 0;
    this.#membership.leave();
  }

  #batch(changes: readonly FullChange[], ack: () => void, shared: boolean): void {
    if (this.#ended) return;
    const { frames, push } = this.#options;
    const shown = frames.of(changes, this.#view, shared);
    if (shown.count > 0) push(shown);
    // Sending may have closed the connection.
    if (this.#ended) return;
    // Nothing to confirm: the group itself keeps earlier deliveries in order.
    if (shown.count === 0 || this.#written) {
      ack();
      return;
    }
    this.#waiting.push(ack);
    if (this.#waiting.length === 1) queueMicrotask(() => this.#ping());
  }

  #ping(): void {
    if (this.#ended || this.#waiting.length === 0 || this.#awaitedPongs.length >= MAX_AWAITED_PONGS) return;
    const awaited: AwaitedPong = { at: this.#options.now(), ack: this.#waiting };
    this.#waiting = [];
    this.#awaitedPongs.push(awaited);
    this.#options.ping(() => {
      const at = this.#awaitedPongs.indexOf(awaited);
      if (at === -1) return;
      this.#awaitedPongs.splice(at, 1);
      for (const one of awaited.ack) one();
      this.#ping();
    });
  }
}

const groupOf = ({ group: { tenant, name } }: Extract<Effect<unknown>, { do: 'join' }>): string => JSON.stringify([tenant, name]);

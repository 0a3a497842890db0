/**
 * The group that one connection is a member of: shows what the group gives it, asks the client to confirm it with a ping, and only then says
 * that it was taken. One ping follows everything of one turn of the event loop, and few are under way at once.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { Effect, View } from '@polyedge/session/session';
import { type BatchFrames, BatchView, type ShownBatch } from '../fanout/batch-frames.ts';
import type { Packet } from '../transport/wire.ts';
import type { ConsumerGroups, MemberClient } from './consumer-groups.ts';

/**
 * Pings that may wait for their pongs; what is shown meanwhile is confirmed by the next one. A client that was busy for a while reads them
 * all at once, and `ws` 8.23 takes 60 pings that it has not answered yet for an attack: it hangs up, without a close frame.
 */
export const MAX_AWAITED_PONGS = 16;

export interface GroupConsumerOptions<P extends Packet> {
  readonly groups: ConsumerGroups;
  readonly frames: Pick<BatchFrames<unknown, P>, 'of'>;
  now(): number;
  client(): MemberClient;
  push(shown: ShownBatch<P>): void;
  /** Sends a ping and calls back with its pong. */
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
  /** Taken when the next ping is confirmed. */
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

  /** Whether the effect names this membership: then only its view changes. */
  is(effect: Extract<Effect<unknown>, { do: 'join' }>): boolean {
    return effect.id === this.#id && groupOf(effect) === this.#group;
  }

  show(view: View): void {
    this.#view = new BatchView(view);
  }

  /** When the oldest ping went out that was not answered; undefined when none is. */
  get unansweredSince(): number | undefined {
    return this.#awaitedPongs[0]?.at;
  }

  /** From now on what is written counts as taken: the client's stack never answers pings, though the client lives. */
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
    // The connection may have ended over it.
    if (this.#ended) return;
    // Nothing to confirm: the group's own books keep what was given before it in order.
    if (shown.count === 0 || this.#written) {
      ack();
      return;
    }
    this.#waiting.push(ack);
    if (this.#waiting.length === 1) queueMicrotask(() => this.#ask());
  }

  #ask(): void {
    if (this.#ended || this.#waiting.length === 0 || this.#awaitedPongs.length >= MAX_AWAITED_PONGS) return;
    const awaited: AwaitedPong = { at: this.#options.now(), ack: this.#waiting };
    this.#waiting = [];
    this.#awaitedPongs.push(awaited);
    this.#options.ping(() => {
      const at = this.#awaitedPongs.indexOf(awaited);
      if (at === -1) return;
      this.#awaitedPongs.splice(at, 1);
      for (const one of awaited.ack) one();
      this.#ask();
    });
  }
}

const groupOf = ({ group: { tenant, name } }: Extract<Effect<unknown>, { do: 'join' }>): string => JSON.stringify([tenant, name]);

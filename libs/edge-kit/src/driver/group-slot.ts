/** A connection's part in consumer groups: one membership at a time, what confirms its frames, and what happens when nothing does. */
import type { Failure } from '@polyedge/contracts/errors';
import type { Effect } from '@polyedge/session/session';
import type { ShownBatch } from '../fanout/batch-frames.ts';
import type { Packet } from '../transport/wire.ts';
import type { MemberClient } from './consumer-groups.ts';
import type { Environment } from './environment.ts';
import { GroupConsumer } from './group-consumer.ts';

type Joining<Out> = Extract<Effect<Out>, { do: 'join' }>;

export interface GroupSlotOptions<Raw, In, Out, P extends Packet> {
  readonly env: Environment<Raw, In, Out, P>;
  /** The connection's number, for the log. */
  readonly conn: number;
  client(): MemberClient;
  /** Frames of the group. */
  push(shown: ShownBatch<P>): void;
  /** Pings, and calls back with the pong. */
  confirm(then: () => void): void;
  lost(id: string, failure: Failure): void;
}

export class GroupSlot<Raw, In, Out, P extends Packet> {
  readonly #options: GroupSlotOptions<Raw, In, Out, P>;
  #consumer: GroupConsumer<P> | undefined;

  constructor(options: GroupSlotOptions<Raw, In, Out, P>) {
    this.#options = options;
  }

  /** The id of the membership. */
  get id(): string | undefined {
    return this.#consumer?.id;
  }

  /** Becomes a member, or stays one and sees something else. `trusted`: its client is known never to answer pings. */
  join(effect: Joining<Out>, trusted: boolean): void {
    if (this.#consumer?.is(effect) === true) {
      this.#consumer.show(effect.view);
      return;
    }
    this.leave();
    const { env, client, push, confirm, lost } = this.#options;
    if (env.groups === undefined) throw new Error('this edge has no groups to join');
    this.#consumer = new GroupConsumer(effect, {
      groups: env.groups,
      frames: env.batchFrames,
      client,
      now: () => env.wheel.clock.now(),
      push,
      ping: confirm,
      lost: (id, failure) => {
        this.#consumer = undefined;
        lost(id, failure);
      },
    });
    if (trusted) this.#trustWritten(this.#consumer);
  }

  leave(): void {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    consumer?.end();
  }

  /**
   * Looks after a member that does not confirm what it was sent; true when it is to be hung up on.
   *
   * @param ponged its client has answered a ping before; @param frameAt when the last frame of the client's own came
   */
  overdue(at: number, ponged: boolean, frameAt: number): boolean {
    const consumer = this.#consumer;
    const since = consumer?.unansweredSince;
    const { confirmMs } = this.#options.env.limits;
    if (consumer === undefined || since === undefined || at - since <= confirmMs) return false;
    // Its frames go on arriving, so it lives and reads; it has just never heard of pings.
    if (!ponged && frameAt - since >= confirmMs / 2) {
      this.#trustWritten(consumer);
      return false;
    }
    this.#options.env.counts.unconfirmedCloses += 1;
    return true;
  }

  #trustWritten(consumer: GroupConsumer<P>): void {
    const { env, conn } = this.#options;
    env.counts.writtenInsteadOfConfirmed += 1;
    env.log.warn('a member of a group never answers pings: what was written counts as delivered to it', { conn });
    consumer.trustWritten();
  }
}

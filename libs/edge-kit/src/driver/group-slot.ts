/**
 * A connection's part in consumer groups: one membership at a time, the confirmation of its frames, and the handling of missing
 * confirmations.
 */
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
  /** Queues frames of the group. */
  push(shown: ShownBatch<P>): void;
  /** Sends a ping and calls back on its pong. */
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

  /** Joins a group, or changes the view of the current membership. `trusted`: the client is known never to answer pings. */
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
   * Handles a member that does not confirm its deliveries. Returns true if the connection should be closed.
   * @param ponged whether the client has ever answered a ping
   * @param frameAt when the client's last frame arrived
   */
  overdue(at: number, ponged: boolean, frameAt: number): boolean {
    const consumer = this.#consumer;
    const since = consumer?.unansweredSince;
    const { confirmMs } = this.#options.env.limits;
    if (consumer === undefined || since === undefined || at - since <= confirmMs) return false;
    // Its frames keep arriving, so the client is alive and reading; its stack does not answer pings.
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
    env.log.warn('a group member never answers pings: frames to it count as delivered once written', { conn });
    consumer.trustWritten();
  }
}

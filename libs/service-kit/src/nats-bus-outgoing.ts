/**
 * What leaves over a NATS connection, in the order in which it was given. Everything that one event causes leaves in one write: the library alone
 * would write as soon as the first message of several is there, and an answer that comes a few promises after a change would be a write, and a
 * wake-up of the server and of whoever reads, of its own.
 */
import type { NatsConnection, PublishOptions } from '@nats-io/transport-node';

interface Message {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly options: PublishOptions | undefined;
  readonly failed: ((error: unknown) => void) | undefined;
}

export class Outgoing {
  readonly #connection: Pick<NatsConnection, 'publish'>;
  #messages: Message[] = [];

  constructor(connection: Pick<NatsConnection, 'publish'>) {
    this.#connection = connection;
  }

  /**
   * Sends a message when the promises that are settled now have been handled, and what they cause.
   * @param data must not change any more
   * @param failed told when the library refuses it, which without it is passed over: the connection is closed then
   */
  publish(subject: string, data: Uint8Array | string, options?: PublishOptions, failed?: (error: unknown) => void): void {
    // Ticks come after all promises, and before anything is read or written.
    if (this.#messages.length === 0) process.nextTick(() => this.send());
    this.#messages.push({ subject, data, options, failed });
  }

  /** Hands everything to the library, now. */
  send(): void {
    const messages = this.#messages;
    this.#messages = [];
    for (const { subject, data, options, failed } of messages) {
      try {
        this.#connection.publish(subject, data, options);
      } catch (error) {
        failed?.(error);
      }
    }
  }
}

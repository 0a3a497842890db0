/**
 * Outgoing messages of a NATS connection, in order. All messages that one event causes are sent in one write: the library alone would write
 * as soon as the first of them is there, and an answer that follows a few promises after a change would cost another write, and wake the
 * server and the reader again.
 */
import type { NatsConnection, PublishOptions } from '@nats-io/transport-node';

interface OutgoingMessage {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly options: PublishOptions | undefined;
  readonly failed: ((error: unknown) => void) | undefined;
}

export class Outgoing {
  readonly #connection: Pick<NatsConnection, 'publish'>;
  #messages: OutgoingMessage[] = [];

  constructor(connection: Pick<NatsConnection, 'publish'>) {
    this.#connection = connection;
  }

  /**
   * Sends a message once the currently settled promises, and those they settle, have been handled.
   * @param data must not be modified afterwards
   * @param failed called if the library rejects it; ignored by default, because the connection is closed then
   */
  publish(subject: string, data: Uint8Array | string, options?: PublishOptions, failed?: (error: unknown) => void): void {
    // `nextTick` callbacks run after all promises, and before any I/O.
    if (this.#messages.length === 0) process.nextTick(() => this.send());
    this.#messages.push({ subject, data, options, failed });
  }

  /** Passes everything to the library now. */
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

/**
 * Outgoing messages of a NATS connection, in order. All messages that one event causes are sent in one write: the library alone would write
 * as soon as the first of them is there, and an answer that follows a few promises after a change would cost another write, and wake the
 * server and the reader again.
 */
import type { NatsConnection, PublishOptions } from '@nats-io/transport-node';

const MiB = 1024 * 1024;
/**
 * Maximum bytes that wait for a server that does not read; further requests and events are refused. Without it, a server that is suspended
 * would let the process grow by all that clients send until the server is left.
 */
export const MAX_OUTGOING_BYTES = 64 * MiB;
/** The same for replies, whose work is done: a few of the largest at once fit. */
export const MAX_OUTGOING_REPLY_BYTES = 2 * MAX_OUTGOING_BYTES;

interface OutgoingMessage {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly options: PublishOptions | undefined;
  readonly failed: ((error: unknown) => void) | undefined;
}

export class Outgoing {
  readonly #connection: Pick<NatsConnection, 'publish'>;
  readonly #waiting: () => number;
  #messages: OutgoingMessage[] = [];
  #bytes = 0;

  /** @param waiting how many bytes passed to the library it has not sent yet */
  constructor(connection: Pick<NatsConnection, 'publish'>, waiting: () => number) {
    this.#connection = connection;
    this.#waiting = waiting;
  }

  /** Bytes of bodies and of what the library holds that wait to be sent. */
  get bytes(): number {
    return this.#bytes + this.#waiting();
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
    this.#bytes += data.length;
  }

  /** Passes everything to the library now. */
  send(): void {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    for (const { subject, data, options, failed } of messages) {
      try {
        this.#connection.publish(subject, data, options);
      } catch (error) {
        failed?.(error);
      }
    }
  }
}

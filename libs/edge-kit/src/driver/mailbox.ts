/**
 * Delivers one input at a time: an input that arrives while another is handled waits, so sessions are never re-entered. Inputs of the
 * driver precede messages of the client; messages wait while reading is paused.
 */
import type { Input } from '@polyedge/session/session';

/** An input, or a callback to run between inputs. */
export type MailboxItem<In> = Input<In> | (() => void);

/** Owner of a mailbox. An interface of the connection instead of closures, because memory per connection matters. */
export interface Recipient<Raw, In> {
  readonly open: boolean;
  /** Messages must not be handled for now. */
  readonly readingStopped: boolean;
  /** Decodes a message to an input; undefined if that closed the connection. */
  decode(raw: Raw): Input<In> | undefined;
  take(input: Input<In>): void;
  /** Everything that may be handled has been handled. */
  caughtUp(): void;
}

export class Mailbox<Raw, In> {
  readonly #recipient: Recipient<Raw, In>;
  #steps: MailboxItem<In>[] = [];
  #messages: Raw[] = [];
  #running = false;

  constructor(recipient: Recipient<Raw, In>) {
    this.#recipient = recipient;
  }

  /** Handles nothing until `release`. */
  hold(): void {
    this.#running = true;
  }

  release(): void {
    this.#running = false;
    this.run();
  }

  step(step: MailboxItem<In>): void {
    this.#steps.push(step);
    this.run();
  }

  message(raw: Raw): void {
    this.#messages.push(raw);
    this.run();
  }

  /** Handles everything that may be handled, unless it is already running. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    const recipient = this.#recipient;
    let at = 0;
    while (recipient.open) {
      const step = this.#steps[at] ?? this.#next();
      if (step === undefined) break;
      if (at < this.#steps.length) at += 1;
      if (at === this.#steps.length) {
        this.#steps.length = 0;
        at = 0;
      }
      if (typeof step === 'function') step();
      else recipient.take(step);
    }
    this.#steps.length = 0;
    this.#running = false;
    if (recipient.open) recipient.caughtUp();
  }

  /** Discards the remaining messages. */
  end(): void {
    this.#messages = [];
  }

  #next(): MailboxItem<In> | undefined {
    if (this.#recipient.readingStopped) return undefined;
    const raw = this.#messages.shift();
    return raw === undefined ? undefined : this.#recipient.decode(raw);
  }
}

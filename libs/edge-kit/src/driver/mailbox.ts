/**
 * One input at a time: what answers from within a call waits until the call is over, so nothing re-enters a session. Inputs of the driver
 * come before messages of the client; messages wait while reading has stopped.
 */
import type { Input } from '@polyedge/session/session';

/** An input, or something of ours that has to happen between inputs. */
export type MailboxItem<In> = Input<In> | (() => void);

/** Whose mailbox it is. The connection itself, and no functions made for it: memory per connection is a goal. */
export interface Recipient<Raw, In> {
  readonly open: boolean;
  /** Messages are not to be taken for now. */
  readonly unread: boolean;
  /** A message as an input; undefined when reading it ended the connection. */
  decode(raw: Raw): Input<In> | undefined;
  take(input: Input<In>): void;
  /** Everything that may be taken was taken. */
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

  /** Takes nothing until `release`. */
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

  /** Takes everything that may be taken, unless that is under way. */
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

  /** Forgets the messages that were not taken. */
  end(): void {
    this.#messages = [];
  }

  #next(): MailboxItem<In> | undefined {
    if (this.#recipient.unread) return undefined;
    const raw = this.#messages.shift();
    return raw === undefined ? undefined : this.#recipient.decode(raw);
  }
}

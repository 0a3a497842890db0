/** The responder's side of the NATS bus: one queue subscription, its requests in progress, and replies of any size. */
import {
  type Msg,
  type MsgHdrs,
  MsgHdrsImpl,
  type NatsConnection,
  type Subscription as NatsSubscription,
  PermissionViolationError,
} from '@nats-io/transport-node';
import type { RequestChannel } from '@polyedge/contracts/channel';
import { type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { RequestContext, Responder } from './bus.ts';
import { answer } from './bus-answer.ts';
import type { BusCounts } from './bus-counts.ts';
import {
  DEADLINE,
  DEFAULT_DEADLINE_MS,
  encodeBody,
  errorText,
  MAX_IN_HAND,
  MAX_REPLY_BYTES,
  numberOf,
  PART,
  PART_BYTES,
  SENT,
  SERVICE_ERROR,
  SERVICE_ERROR_CODE,
  TIMEOUT,
  TRACEPARENT,
  tenantAt,
  tenantIndex,
  UNENCODABLE,
} from './bus-wire.ts';
import type { Log } from './log.ts';
import { MAX_OUTGOING_REPLY_BYTES, type Outgoing } from './nats-bus-outgoing.ts';
import { textOf } from './nats-bus-requests.ts';
import type { PeerClocks } from './peer-clocks.ts';
import type { Span, Spans } from './spans.ts';

export class NatsResponder<Request, Reply> implements Responder {
  readonly #connection: NatsConnection;
  readonly #outgoing: Outgoing;
  readonly #channel: RequestChannel<string, Request, Reply>;
  readonly #handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>;
  readonly #encode: ((reply: Reply) => string) | undefined;
  readonly #queue: string;
  readonly #counts: BusCounts;
  readonly #log: Log;
  readonly #spans: Spans | undefined;
  readonly #clocks: PeerClocks;
  readonly #pattern: string;
  readonly #tenantIndex: number;
  #subscription: NatsSubscription | undefined;
  /** Drained subscriptions that may still receive messages in flight. */
  #leaving: Promise<unknown> = Promise.resolve();
  #inHand = 0;
  #idle: (() => void) | undefined;

  constructor(options: {
    readonly connection: NatsConnection;
    readonly outgoing: Outgoing;
    readonly channel: RequestChannel<string, Request, Reply>;
    readonly handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>;
    readonly pattern: string;
    readonly encode: ((reply: Reply) => string) | undefined;
    readonly queue: string;
    readonly counts: BusCounts;
    readonly log: Log;
    readonly spans: Spans | undefined;
    /** Shared by all requests on this connection. */
    readonly clocks: PeerClocks;
  }) {
    this.#connection = options.connection;
    this.#outgoing = options.outgoing;
    this.#channel = options.channel;
    this.#handler = options.handler;
    this.#encode = options.encode;
    this.#queue = options.queue;
    this.#counts = options.counts;
    this.#log = options.log;
    this.#spans = options.spans;
    this.#clocks = options.clocks;
    this.#pattern = options.pattern;
    this.#tenantIndex = tenantIndex(options.channel.address);
    this.join();
  }

  leave(): void {
    const subscription = this.#subscription;
    if (subscription === undefined) return;
    this.#subscription = undefined;
    if (subscription.isClosed() || this.#connection.isClosed()) return;
    // Not unsubscribe(), which would drop requests that the server has already sent here, so that their callers time out.
    const left = subscription.drain().catch(() => undefined);
    this.#leaving = Promise.all([this.#leaving, left]);
  }

  join(): void {
    if (this.#subscription !== undefined || this.#connection.isClosed()) return;
    this.#subscription = this.#connection.subscribe(this.#pattern, {
      queue: this.#queue,
      callback: (error, message) => {
        if (error === null) this.#take(message);
        else if (error instanceof PermissionViolationError) this.#subscription = undefined;
      },
    });
  }

  async stop(): Promise<void> {
    this.leave();
    await this.#leaving;
    if (this.#inHand === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  #take(message: Msg): void {
    this.#counts.heard += 1;
    this.#inHand += 1;
    // The subject and the headers are views into the library's reading buffer, so everything is read before the first await.
    void this.#work(message).catch((err: unknown) => {
      this.#counts.thrown += 1;
      this.#log.error('answering a request failed', { type: this.#channel.address, err });
    });
  }

  async #work(message: Msg): Promise<void> {
    const { subject, reply, headers, data } = message;
    const text = textOf(data);
    const context: RequestContext = {
      subject,
      deadline: this.#deadline(reply ?? '', headers),
      tenant: tenantAt(subject, this.#tenantIndex),
      bytes: data.length,
      text,
    };
    const span = this.#spans?.handler(this.#channel.address, headers?.get(TRACEPARENT) ?? '');
    let outcome: Outcome<Reply>;
    try {
      outcome = await this.#outcome(context, span);
    } finally {
      this.#inHand -= 1;
      if (this.#inHand === 0) this.#idle?.();
    }
    span?.end(outcome.ok ? 'ok' : outcome.failure.code);
    if (reply !== undefined && reply !== '') this.#reply(reply, outcome);
  }

  /**
   * When the caller stops waiting, on the clock here: computed from its time-out and the transit time if that is known, else from its own
   * deadline.
   */
  #deadline(reply: string, headers: MsgHdrs | undefined): number {
    const now = performance.now();
    const timeout = positive(headers?.get(TIMEOUT));
    const sentAt = positive(headers?.get(SENT));
    const date = positive(headers?.get(DEADLINE));
    const delay = sentAt === undefined ? undefined : this.#clocks.delayOf(reply.slice(0, reply.lastIndexOf('.')), sentAt, now);
    if (timeout !== undefined && delay !== undefined) return now + timeout - delay;
    const left = date === undefined ? undefined : date - Date.now();
    return now + Math.min(timeout ?? left ?? DEFAULT_DEADLINE_MS, left ?? Number.POSITIVE_INFINITY);
  }

  #outcome(context: RequestContext, span: Span | undefined): Promise<Outcome<Reply>> {
    if (this.#inHand > MAX_IN_HAND) return Promise.resolve(failed('busy', 'too many requests are in hand'));
    if (this.#tenantIndex !== -1 && context.tenant === undefined) {
      return Promise.resolve(failed('invalid', "the tenant's name is too long to be read from a subject"));
    }
    const work = () => answer(this.#channel, this.#handler, context, this.#counts, this.#log);
    return span === undefined ? work() : span.run(work);
  }

  #reply(to: string, outcome: Outcome<Reply>): void {
    if (this.#connection.isClosed()) {
      this.#counts.unsent += 1;
      return;
    }
    if (!outcome.ok) {
      this.#replyFailure(to, outcome.failure);
      return;
    }
    if (this.#outgoing.bytes > MAX_OUTGOING_REPLY_BYTES) {
      this.#replyFailure(to, { code: 'busy', detail: 'the NATS server does not read' });
      return;
    }
    const text = encodeBody(outcome.value, this.#encode);
    if (text === undefined) {
      this.#replyFailure(to, UNENCODABLE);
      return;
    }
    const bytes = Buffer.from(text);
    if (bytes.length <= PART_BYTES) {
      this.#outgoing.publish(to, bytes);
      return;
    }
    if (bytes.length > MAX_REPLY_BYTES) {
      this.#replyFailure(to, { code: 'too-large', detail: `the reply has ${bytes.length} bytes` });
      return;
    }
    const count = Math.ceil(bytes.length / PART_BYTES);
    for (let index = 0; index < count; index += 1) {
      const headers = MsgHdrsImpl.fromRecord({ [PART]: [`${index}/${count}`] });
      this.#outgoing.publish(to, bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES), { headers });
    }
  }

  #replyFailure(to: string, failure: Failure): void {
    const { code, detail, retryAfterMs } = failure;
    const headers = MsgHdrsImpl.fromRecord({ [SERVICE_ERROR]: [errorText(code)], [SERVICE_ERROR_CODE]: [String(numberOf[code])] });
    this.#outgoing.publish(to, JSON.stringify({ code, detail: detail?.slice(0, 4_096), retryAfterMs }), { headers });
  }
}

/** The number in a header; undefined if absent. */
function positive(text: string | undefined): number | undefined {
  const number = Number(text);
  return Number.isFinite(number) && number > 0 ? number : undefined;
}

/**
 * The requester's side of the NATS bus: one inbox subscription for all requests of a connection, a table of pending requests, and one sweep
 * for all time-outs. The library's own request uses a timer per request and accepts only one reply message.
 */
import { type MsgHdrs, MsgHdrsImpl, type NatsConnection } from '@nats-io/transport-node';
import type { RequestChannel } from '@polyedge/contracts/channel';
import { type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { BusCounts } from './bus-counts.ts';
import {
  DEADLINE,
  encodeBody,
  HEADER_ROOM,
  MAX_PENDING,
  MAX_REPLY_BYTES,
  PART,
  parsePart,
  readFailure,
  SENT,
  SERVICE_ERROR_CODE,
  subjectFits,
  TIMEOUT,
  TRACEPARENT,
  UNENCODABLE,
} from './bus-wire.ts';
import type { Log } from './log.ts';
import { MAX_OUTGOING_BYTES, type Outgoing } from './nats-bus-outgoing.ts';
import type { Span, Spans } from './spans.ts';

/** Minimum interval between log lines about differing clocks. */
const SKEW_LOG_MS = 60_000;
const SWEEP_MS = 50;
/** Maximum bytes of incomplete replies, over all requests of a connection. */
const MAX_GATHERED_BYTES = 4 * MAX_REPLY_BYTES;

/** Called after each request with the channel's address, `ok` or the failure's code, and its duration. */
export type ObserveRequest = (address: string, result: string, seconds: number) => void;

interface PendingRequest {
  readonly address: string;
  readonly subject: string;
  /** On the monotonic clock, milliseconds. */
  readonly expiresAt: number;
  readonly startedAt: number;
  readonly span: Span | undefined;
  /** Called with the reply's JSON value. */
  readonly reply: (value: unknown) => void;
  readonly fail: (failure: Failure) => void;
  /** Sends the request again, without a deadline, if `expired` cannot be true; returns whether it did. */
  readonly askAgain: () => boolean;
  parts: Buffer[] | undefined;
  bytes: number;
}

export class NatsRequests {
  readonly #connection: NatsConnection;
  readonly #outgoing: Outgoing;
  readonly #inbox: string;
  readonly #counts: BusCounts;
  readonly #log: Log;
  readonly #spans: Spans | undefined;
  readonly #observe: ObserveRequest | undefined;
  readonly #pending = new Map<string, PendingRequest>();
  #nextToken = 0;
  #gatheredBytes = 0;
  #sweep: NodeJS.Timeout | undefined;
  #refusal: Error | undefined;
  #skewSaidAt = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly connection: NatsConnection;
    readonly outgoing: Outgoing;
    /** The inbox prefix, without the trailing dot. */
    readonly inbox: string;
    readonly counts: BusCounts;
    readonly log: Log;
    readonly spans: Spans | undefined;
    readonly observe: ObserveRequest | undefined;
  }) {
    this.#connection = options.connection;
    this.#outgoing = options.outgoing;
    this.#inbox = `${options.inbox}.`;
    this.#counts = options.counts;
    this.#log = options.log;
    this.#spans = options.spans;
    this.#observe = options.observe;
    this.#connection.subscribe(`${this.#inbox}*`, {
      // An exception would silently end the library's reading loop.
      callback: (error, message) => {
        try {
          if (error === null) this.#received(message.subject, message.headers, message.data);
          else this.#refusal = error;
        } catch (err) {
          this.#counts.thrown += 1;
          this.#log.error('taking a reply failed', { err });
        }
      },
    });
  }

  /** Set if the server rejected the inbox: no reply would ever arrive. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  get size(): number {
    return this.#pending.size;
  }

  request<Reply>(
    channel: RequestChannel<string, never, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<Reply>> {
    const { signal } = options;
    if (signal?.aborted === true) return Promise.resolve(this.#refuse('unavailable', 'the caller gave up'));
    if (this.#pending.size >= MAX_PENDING) return Promise.resolve(this.#refuse('busy', 'too many requests are waiting for a reply'));
    if (this.#outgoing.bytes > MAX_OUTGOING_BYTES) return Promise.resolve(this.#refuse('busy', 'the NATS server does not read'));
    const text = encodeBody(body);
    if (text === undefined) return Promise.resolve(this.#refuse(UNENCODABLE.code, UNENCODABLE.detail));
    const data = Buffer.from(text);
    const limit = this.#connection.info?.max_payload ?? 0;
    if (data.length + HEADER_ROOM > limit) {
      return Promise.resolve(this.#refuse('too-large', `the request has ${data.length} bytes; ${limit - HEADER_ROOM} are possible`));
    }
    if (!subjectFits(subject)) return Promise.resolve(this.#refuse('too-large', 'the subject is too long'));
    return new Promise((resolve) => {
      const token = (this.#nextToken++).toString(36);
      const span = this.#spans?.request(channel.address);
      const startedAt = performance.now();
      let abort: (() => void) | undefined;
      let again = false;
      const finish = (outcome: Outcome<Reply>) => {
        this.#pending.delete(token);
        this.#gatheredBytes -= pending.bytes;
        if (abort !== undefined) signal?.removeEventListener('abort', abort);
        const result = outcome.ok ? 'ok' : outcome.failure.code;
        if (!outcome.ok) this.#counts.failures += 1;
        span?.end(result);
        this.#observe?.(channel.address, result, (performance.now() - startedAt) / 1_000);
        resolve(outcome);
      };
      const pending: PendingRequest = {
        address: channel.address,
        subject,
        expiresAt: startedAt + options.timeoutMs,
        startedAt,
        span,
        parts: undefined,
        bytes: 0,
        reply: (value) => {
          if (channel.reply.test(value)) finish({ ok: true, value });
          else finish(failed('internal', `the reply breaks its schema at ${channel.reply.problem(value)}`));
        },
        fail: (failure) => finish({ ok: false, failure }),
        askAgain: () => {
          if (again || performance.now() >= startedAt + options.timeoutMs / 2) return false;
          again = true;
          this.#skewed();
          delete headers[DEADLINE];
          delete headers[SENT];
          headers[TIMEOUT] = [String(Math.ceil(startedAt + options.timeoutMs - performance.now()))];
          send();
          return true;
        },
      };
      this.#pending.set(token, pending);
      this.#counts.requests += 1;
      const headers: Record<string, string[]> = {
        [TIMEOUT]: [String(Math.ceil(options.timeoutMs))],
        [SENT]: [String(Math.floor(startedAt))],
        [DEADLINE]: [String(Date.now() + Math.ceil(options.timeoutMs))],
      };
      if (span !== undefined) headers[TRACEPARENT] = [span.traceparent];
      const send = (): void =>
        this.#outgoing.publish(subject, data, { reply: this.#inbox + token, headers: MsgHdrsImpl.fromRecord(headers) }, (err) => {
          this.#log.warn('a request could not be sent', { type: channel.address, err });
          pending.fail({ code: 'unavailable', detail: 'the request could not be sent' });
        });
      send();
      if (signal !== undefined) {
        abort = () => pending.fail({ code: 'unavailable', detail: 'the caller gave up' });
        signal.addEventListener('abort', abort, { once: true });
      }
      this.#sweep ??= setInterval(() => this.#expire(), SWEEP_MS);
    });
  }

  /** Fails all pending requests: the connection is lost, and probably the replies with it. */
  failAll(detail: string): void {
    for (const pending of [...this.#pending.values()]) pending.fail({ code: 'unavailable', detail });
    this.#expire();
  }

  /** Fails the requests on a subject that the server rejects. */
  failSubject(subject: string): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.subject === subject) pending.fail({ code: 'unavailable', detail: 'the NATS server does not allow this subject' });
    }
  }

  #refuse(code: Failure['code'], detail: string): Outcome<never> {
    this.#counts.failures += 1;
    return failed(code, detail);
  }

  #expire(): void {
    const now = performance.now();
    for (const pending of this.#pending.values()) {
      if (pending.expiresAt > now) continue;
      this.#counts.timeouts += 1;
      pending.fail({ code: 'unavailable', detail: 'no answer in time' });
    }
    if (this.#pending.size > 0 || this.#sweep === undefined) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  #received(subject: string, headers: MsgHdrs | undefined, data: Uint8Array): void {
    const pending = this.#pending.get(subject.slice(this.#inbox.length));
    if (pending === undefined) {
      this.#counts.lateReplies += 1;
      return;
    }
    this.#counts.replies += 1;
    const part = headers?.get(PART) ?? '';
    if (part !== '') this.#part(pending, part, data);
    else if (headers?.code === 503 && data.length === 0) pending.fail({ code: 'unavailable', detail: 'no responder' });
    else if (headers?.has(SERVICE_ERROR_CODE) === true) this.#failed(pending, readFailure(parseOwnJson(textOf(data))));
    else this.#whole(pending, textOf(data));
  }

  /**
   * `expired` although most of the time is left means that one of the two clocks has jumped: nothing was done, and the caller still waits.
   * The responder of the repeated request counts the remaining time from its arrival.
   */
  #failed(pending: PendingRequest, failure: Failure): void {
    if (failure.code === 'expired' && pending.askAgain()) return;
    pending.fail(failure);
  }

  #skewed(): void {
    this.#counts.skewed += 1;
    const now = performance.now();
    if (now - this.#skewSaidAt < SKEW_LOG_MS) return;
    this.#skewSaidAt = now;
    this.#log.warn('a request was called expired as soon as it was sent: the clocks of this machine and another one differ');
  }

  #whole(pending: PendingRequest, text: string): void {
    const value = parseOwnJson(text);
    if (value === undefined) pending.fail({ code: 'internal', detail: 'the reply is not JSON' });
    else pending.reply(value);
  }

  #part(pending: PendingRequest, header: string, data: Uint8Array): void {
    const part = parsePart(header);
    pending.parts ??= [];
    // Messages of one connection arrive in order, so otherwise some were lost.
    if (part === undefined || part.index !== pending.parts.length) {
      pending.fail({ code: 'unavailable', detail: 'a part of the reply was lost' });
      return;
    }
    pending.bytes += data.length;
    this.#gatheredBytes += data.length;
    if (pending.bytes > MAX_REPLY_BYTES || this.#gatheredBytes > MAX_GATHERED_BYTES) {
      pending.fail({ code: 'too-large', detail: 'the reply is over the limit' });
      return;
    }
    // Copied, because the library's view refers to its reading buffer.
    pending.parts.push(Buffer.from(data));
    if (part.index + 1 === part.count) this.#whole(pending, Buffer.concat(pending.parts).toString('utf8'));
  }
}

export function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
}

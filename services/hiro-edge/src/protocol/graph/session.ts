import { done, type Failure, failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { FrameId, GraphRequest, GraphResponse } from '@polyedge/contracts/wire/hiro';
import { type Question, toMutate } from '@polyedge/session/questions';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { type TaskHost, Tasks } from '@polyedge/session/task';
import { idsFrom } from '../element/ids.ts';
import { CLOSE, closeReason, TOKEN_EXPIRED, TOKEN_REVOKED, toError, type ValidationResult } from '../failures.ts';
import { expiryTimer, openOrRefuse } from '../opening.ts';
import { begin } from './begin.ts';
import type { GraphFrame } from './codec.ts';
import type { AnswerPage, HiroAnswer } from './work.ts';

export interface GraphSettings {
  /** Maximum concurrent requests. Above it the socket is not read; above twice as many (frames already read) the answer is 429. */
  readonly maxInFlight: number;
  /** How long a token of the connection is accepted after its expiry. */
  readonly tokenGraceMs: number;
  /** Whether attribute names without `ogit/` or a leading `/` are accepted. */
  readonly names: 'lenient' | 'strict';
}

/** A connection whose tokens have all expired is closed this much later: clients that send a new token per request stay connected. */
const LINGER_MS = 60_000;
/** Lifetime of a verified request token in the cache, so that a revocation takes effect within a second. */
const TOKEN_CACHE_MS = 1000;
const TOKEN_CACHE_SIZE = 8;
/** Requests that are answered by lists, which are read page by page. */
const LISTS: ReadonlySet<string> = new Set(['query', 'history', 'events', 'streamts', 'valuehistory', 'getcontent']);
const READS: ReadonlySet<string> = new Set(['get', 'me', 'getme', 'meta']);
/**
 * Maximum concurrent lists and other reads of one connection: a page of a list has up to eight megabytes, another answer up to two, and the
 * store is shared. Further ones wait, and with them what comes after them.
 */
const MAX_RUNNING = { list: 4, read: 32 } as const;
/** The next page of a list is read when the client has been sent all but so many bytes. */
const UNSENT_BYTES = 256 * 1024;
/** A page is awaited by a timer of this name, followed by the key of its list. */
const PAGE = 'page ';

type Out = Effect<GraphResponse>;

const NOTHING: readonly Out[] = [];
const SOCKET = { protocol: 'hiro', way: 'socket' } as const;
/** The outcome that resumes a task after a page. */
const SENT = done(undefined);

interface PendingWork {
  readonly key: string;
  readonly request: GraphRequest;
  /** The caller, set when it starts. */
  who: Principal;
  started: boolean;
  /** It has sent a request or write before, so its next one need not wait for writes that arrived later. */
  asked: boolean;
}

interface KnownToken {
  readonly principal: Principal;
  readonly checkedAt: number;
}

/**
 * One session on graph-ws. Requests start in the order in which they arrived: one whose token is still being verified delays those behind
 * it, so the driver sees writes in the client's order. Responses may interleave.
 */
class GraphSession implements Session<GraphFrame, GraphResponse>, TaskHost<Question | AnswerPage, HiroAnswer, PendingWork, readonly Out[]> {
  readonly #settings: GraphSettings;
  readonly #newId: (scope: string) => string;
  #principal: Principal;
  #newestExpiry: number;
  /** Accepted but not started; the first may be waiting for its token. */
  readonly #queue: PendingWork[] = [];
  #verifying = false;
  /** The key of an update that reads before it writes (an edit of a list): later requests start after it has ended. */
  #reading: string | undefined;
  readonly #frameIds = new Set<FrameId>();
  readonly #tasks: Tasks<Question | AnswerPage, HiroAnswer, PendingWork, readonly Out[]>;
  /** From the first token in a request on. */
  #tokens: Map<string, KnownToken> | undefined;
  #count = 0;
  #at = 0;
  readonly #running = { list: 0, read: 0 };
  #paused = false;
  #draining = false;
  #closed = false;

  constructor(principal: Principal, nonce: string, settings: GraphSettings) {
    this.#principal = principal;
    this.#newestExpiry = principal.expiresAt;
    this.#settings = settings;
    this.#newId = idsFrom(nonce);
    this.#tasks = new Tasks<Question | AnswerPage, HiroAnswer, PendingWork, readonly Out[]>(this, 2 * settings.maxInFlight);
  }

  handle(input: Input<GraphFrame>, at: number): readonly Out[] {
    if (this.#closed) return [];
    this.#at = at;
    const effects = this.#react(input, at);
    if (this.#closed) return effects;
    const started = this.#startQueued(at);
    const balance = this.#balance();
    if (started.length === 0 && balance.length === 0) return effects;
    return effects.length === 0 && balance.length === 0 ? started : [...effects, ...started, ...balance];
  }

  #react(input: Input<GraphFrame>, at: number): readonly Out[] {
    switch (input.kind) {
      case 'frame':
        return this.#receive(input.frame);
      case 'undecodable':
        return [{ do: 'send', frame: toError({ code: 'invalid', detail: input.problem }) }];
      case 'authenticated':
        return this.#authenticated(input, at);
      case 'reply':
      case 'written':
        return this.#tasks.resume(input.id, input.outcome) ?? [];
      case 'timer':
        return input.name.startsWith(PAGE) ? (this.#tasks.resume(input.name.slice(PAGE.length), SENT) ?? []) : this.#checkExpiry(at);
      case 'revoked':
        // Without a grace period, and without an error frame: frames without a known id are fatal for one client (hiro-python-library).
        return this.#close(CLOSE.refused, closeReason(TOKEN_REVOKED));
      case 'drain':
        this.#draining = true;
        return this.#frameIds.size === 0 ? this.#close(CLOSE.goingAway, 'going away') : [];
      case 'event':
      case 'message':
      case 'subscribed':
      case 'lost':
      case 'confirmed':
        return []; // graph-ws has no subscriptions, and asks for no pongs
    }
  }

  #receive(frame: GraphFrame): readonly Out[] {
    switch (frame.kind) {
      case 'nothing':
        return [];
      case 'binary':
        return this.#close(CLOSE.notText, 'text frames only');
      case 'malformed':
        return [errorFrame(frame.id, { code: 'invalid', detail: frame.problem })];
      case 'request':
        return this.#accept(frame.request);
    }
  }

  #accept(request: GraphRequest): readonly Out[] {
    const { id } = request;
    if (this.#frameIds.has(id)) return [errorFrame(id, { code: 'invalid', detail: 'a request with this id is still in work' })];
    if (this.#draining) return [errorFrame(id, { code: 'unavailable', detail: 'the server is going away' })];
    if (this.#frameIds.size >= 2 * this.#settings.maxInFlight) {
      return [errorFrame(id, { code: 'limited', detail: 'too many requests in work', retryAfterMs: 1000 })];
    }
    this.#count += 1;
    this.#frameIds.add(id);
    this.#queue.push({ key: `q${this.#count}`, request, who: this.#principal, started: false, asked: false });
    return [];
  }

  /** Pauses reading while there are too many requests. None may depend on anything that the client sends later. */
  #balance(): readonly Out[] {
    const working = this.#frameIds.size;
    if (!this.#paused && working >= this.#settings.maxInFlight) {
      this.#paused = true;
      return [{ do: 'pause' }];
    }
    if (!this.#paused || working > this.#settings.maxInFlight / 2) return NOTHING;
    this.#paused = false;
    return [{ do: 'resume' }];
  }

  /** Starts requests from the head of the queue, up to one whose token must be verified, or that reads before it writes. */
  #startQueued(at: number): readonly Out[] {
    if (this.#queue.length === 0) return NOTHING;
    const effects: Out[] = [];
    while (!this.#verifying && this.#reading === undefined) {
      const pending = this.#queue[0];
      if (pending === undefined) break;
      const { type, _TOKEN: credential } = pending.request;
      const kind = kindOf(type);
      if (kind !== undefined && this.#running[kind] >= MAX_RUNNING[kind]) break;
      if (type === 'token' || typeof credential === 'string') {
        const known = type === 'token' ? undefined : this.#known(credential, at);
        if (known === undefined) {
          this.#verifying = true;
          effects.push({ do: 'authenticate', id: pending.key, credential: credential ?? '', adopt: type === 'token' });
          break;
        }
        this.#queue.shift();
        effects.push(...this.#start(pending, known, at));
      } else {
        this.#queue.shift();
        const isLate = at > this.#principal.expiresAt + this.#settings.tokenGraceMs;
        effects.push(
          ...(isLate ? this.done(failed('unauthenticated', TOKEN_EXPIRED), pending) : this.#start(pending, this.#principal, at)),
        );
      }
    }
    return effects;
  }

  #known(credential: string | null | undefined, at: number): Principal | undefined {
    const known = typeof credential === 'string' ? this.#tokens?.get(credential) : undefined;
    return known !== undefined && at - known.checkedAt < TOKEN_CACHE_MS && at < known.principal.expiresAt ? known.principal : undefined;
  }

  #authenticated(input: Extract<Input<GraphFrame>, { kind: 'authenticated' }>, at: number): readonly Out[] {
    const pending = this.#queue[0];
    if (!this.#verifying || pending?.key !== input.id) {
      // The rights of the connection's principal have changed.
      if (input.outcome.ok) this.#principal = input.outcome.value;
      return [];
    }
    this.#verifying = false;
    this.#queue.shift();
    const { outcome } = input;
    if (!outcome.ok) return this.done(outcome, pending);
    this.#newestExpiry = Math.max(this.#newestExpiry, outcome.value.expiresAt);
    if (pending.request.type !== 'token') {
      this.#remember(pending.request._TOKEN, outcome.value, at);
      return this.#start(pending, outcome.value, at);
    }
    this.#principal = outcome.value;
    this.#newestExpiry = outcome.value.expiresAt;
    const { id } = pending.request;
    return [{ do: 'send', frame: { id, more: false, body: 'ok' } }, ...this.#finish(pending), this.#expiryTimer(at)];
  }

  #remember(credential: string | null | undefined, principal: Principal, checkedAt: number): void {
    if (typeof credential !== 'string') return;
    this.#tokens ??= new Map();
    this.#tokens.delete(credential);
    this.#tokens.set(credential, { principal, checkedAt });
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > TOKEN_CACHE_SIZE && oldest !== undefined) this.#tokens.delete(oldest);
  }

  #start(pending: PendingWork, who: Principal, at: number): readonly Out[] {
    const { key, request } = pending;
    const kind = kindOf(request.type);
    if (kind !== undefined) this.#running[kind] += 1;
    pending.who = who;
    pending.started = true;
    const work = begin(request, { who, at, now: () => this.#at, newId: this.#newId, names: this.#settings.names });
    return this.#tasks.start(key, work, pending);
  }

  perform(key: string, question: Question | AnswerPage, pending: PendingWork): readonly Out[] {
    const { request, who, asked } = pending;
    pending.asked = true;
    switch (question.kind) {
      case 'call':
        if (request.type === 'update' && !asked) this.#reading = key;
        return [asked ? { do: 'request', id: key, call: question.call, unordered: true } : { do: 'request', id: key, call: question.call }];
      case 'write':
        return [toMutate(key, question, who, SOCKET, 'any')];
      case 'page':
        // A slow reader occupies one page, not the whole result. A pong is not waited for: it would come after all that the client has
        // sent, which is not read while it is too much.
        return [...pageFrames(request.id, question.page, true), { do: 'when-flushed', name: `${PAGE}${key}`, bytes: UNSENT_BYTES }];
    }
  }

  done(answer: HiroAnswer, pending: PendingWork): readonly Out[] {
    const { id } = pending.request;
    if (!answer.ok) return [errorFrame(id, answer.failure, answer.result), ...this.#finish(pending)];
    const { value } = answer;
    if (value.kind !== 'body') return [...pageFrames(id, value, false), ...this.#finish(pending)];
    return [{ do: 'send', frame: { id, multi: false, more: false, body: value.body } }, ...this.#finish(pending)];
  }

  #finish(pending: PendingWork): readonly Out[] {
    if (this.#reading === pending.key) this.#reading = undefined;
    const kind = pending.started ? kindOf(pending.request.type) : undefined;
    if (kind !== undefined) this.#running[kind] -= 1;
    this.#frameIds.delete(pending.request.id);
    return this.#draining && this.#frameIds.size === 0 ? this.#close(CLOSE.goingAway, 'going away') : [];
  }

  #checkExpiry(at: number): readonly Out[] {
    return at >= this.#newestExpiry + LINGER_MS ? this.#close(CLOSE.refused, closeReason(TOKEN_EXPIRED)) : [this.#expiryTimer(at)];
  }

  #expiryTimer(at: number): Out {
    return expiryTimer(this.#newestExpiry + LINGER_MS - at);
  }

  #close(code: number, reason: string): readonly Out[] {
    this.#closed = true;
    this.#tasks.end();
    return [{ do: 'close', code, reason }];
  }
}

export function openGraph(opening: Opening, settings: GraphSettings): readonly [Session<GraphFrame, GraphResponse>, readonly Out[]] {
  return openOrRefuse<GraphFrame, GraphResponse>(opening, (principal) => [
    new GraphSession(principal, opening.nonce, settings),
    [expiryTimer(principal.expiresAt + LINGER_MS - opening.at)],
  ]);
}

const kindOf = (type: string): keyof typeof MAX_RUNNING | undefined => (LISTS.has(type) ? 'list' : READS.has(type) ? 'read' : undefined);

const errorFrame = (id: FrameId, failure: Failure, result?: ValidationResult): Out => ({
  do: 'send',
  frame: { id, ...toError(failure, result) },
});

/** A part of a long answer, or the last part, which ends it. */
function pageFrames(id: FrameId, page: AnswerPage['page'], more: boolean): readonly Out[] {
  if (page.kind === 'items') {
    const frames = page.items.map((body): Out => ({ do: 'send', frame: { id, multi: true, more: true, body } }));
    return more ? frames : [...frames, { do: 'send', frame: { id, multi: true, more: false, body: null } }];
  }
  return page.data.map((data, index): Out => {
    const goesOn = more || index + 1 < page.data.length;
    // The documentation of this request says `last`, but every client reads `more`.
    return { do: 'send', frame: { id, multi: true, more: goesOn, last: !goesOn, body: { data, encoding: 'base64' } } };
  });
}

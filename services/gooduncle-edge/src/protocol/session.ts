/**
 * One session (Good Uncle Websocket API). Requests are processed in the order in which they arrive, with the roles that the session has
 * then; their answers may be in any order. An upgrade delays the requests after it.
 */
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { mayUse } from './access.ts';
import type { Frame } from './codec.ts';
import { Data } from './data.ts';
import { badRequest, problem, refusal, slowDown } from './problems.ts';
import { Excesses, TokenBucket } from './rate.ts';
import { parseRequest } from './requests.ts';
import { SessionRoles } from './roles.ts';
import { type RequestContext, SessionOutput, type SessionSettings } from './session-output.ts';
import { LiveSubscriptions } from './subscriptions.ts';
import type { Topics } from './topics.ts';
import { answerTopics, namesFor, TOPICS } from './topics-read.ts';

const MAX_HELD_BACK = 64;

export class GoodUncleSession implements Session<Frame, string> {
  readonly #output: SessionOutput;
  readonly #bucket: TokenBucket;
  // Created on first use: memory of idle connections matters.
  #excesses: Excesses | undefined;
  #roles: SessionRoles | undefined;
  #data: Data | undefined;
  #subscriptions: LiveSubscriptions | undefined;
  /** Requests after an upgrade; undefined if none is in progress. */
  #heldBack: { readonly frame: Frame; readonly at: number }[] | undefined;
  #topics: Topics;
  #draining = false;
  #closed = false;

  constructor(settings: SessionSettings, opening: Pick<Opening, 'nonce' | 'address' | 'at'>) {
    this.#output = new SessionOutput(settings, opening);
    this.#bucket = new TokenBucket(settings.requestsPerSecond, settings.requestBurst, opening.at);
    this.#topics = settings.topics();
  }

  handle(input: Input<Frame>, at: number): readonly Effect<string>[] {
    if (this.#closed) return [];
    this.#output.at = at;
    this.#lookAtRules();
    switch (input.kind) {
      case 'frame':
        this.#take(input.frame);
        break;
      case 'reply':
      case 'written':
      case 'authenticated':
        this.#output.answered(input.id, input.outcome);
        this.#goodbye();
        break;
      case 'subscribed':
        this.#subscriptions?.get(input.id)?.watched(input.seq, input.epoch);
        break;
      case 'event':
        if (input.match !== undefined) this.#subscriptions?.get(input.id)?.change({ change: input.change, match: input.match }, at);
        break;
      case 'lost':
        this.#subscriptions?.lost(input.id);
        break;
      case 'message':
        this.#roles?.received(input.body);
        break;
      case 'timer':
        if (input.name === 'expiry') this.#roles?.expired();
        if (input.name === 'flushed') this.#output.flushed();
        this.#subscriptions?.timer(input.name);
        break;
      case 'drain':
        this.#draining = true;
        this.#goodbye();
        break;
      case 'undecodable':
      case 'confirmed':
      case 'revoked':
        // Non-JSON frames only count as keep-alives. Revocations are handled per grant.
        break;
    }
    return this.#output.take();
  }

  // ---- requests

  #take(frame: Frame): void {
    const context = this.#output.contextOf(frame, this.#output.at);
    if (!this.#bucket.take(this.#output.at)) {
      this.#excess(context);
      return;
    }
    if (this.#heldBack === undefined) this.#request(frame, context);
    else if (this.#heldBack.length >= MAX_HELD_BACK) this.#output.refuse(context, slowDown());
    else this.#heldBack.push({ frame, at: this.#output.at });
  }

  #excess(context: RequestContext): void {
    this.#excesses ??= new Excesses();
    if (this.#excesses.add(this.#output.at)) this.#close(4429, 'rate limit ignored');
    else this.#output.refuse(context, slowDown());
  }

  #request(frame: Frame, context: RequestContext): void {
    const parsed = frame.unfit === undefined ? parseRequest(frame.payload) : { ok: false as const, refusal: frame.unfit };
    if (!parsed.ok) {
      this.#output.refuse(context, parsed.refusal);
      return;
    }
    if (this.#draining) {
      this.#output.refuse(context, refusal('error', problem('internal', null, { message: 'the server is going away' })));
      return;
    }
    if (this.#output.isFull) {
      this.#output.refuse(context, slowDown());
      return;
    }
    const request = parsed.value;
    switch (request.type) {
      case 'upgrade':
        this.#output.start(this.#roleChanges().upgrade(context, request));
        return;
      case 'downgrade':
        this.#roleChanges().downgrade(context, request);
        return;
      case 'unsubscribe':
        this.#subscribed().unsubscribe(context, request);
        return;
    }
    const topic = this.#topics.byName.get(request.topic);
    if (topic === undefined && request.topic === TOPICS) {
      answerTopics(this.#output, context, request, this.#topics);
      return;
    }
    if (topic === undefined || (this.#topics.hidden && !mayUse(topic, context.grants))) {
      this.#output.refuse(context, badRequest(problem('unknown', 'topic', { expected: namesFor(this.#topics, context.grants) })));
      return;
    }
    switch (request.type) {
      case 'create':
        this.#output.start(this.#dataRequests().create(context, request, topic));
        break;
      case 'read':
        this.#output.start(this.#dataRequests().read(context, request, topic));
        break;
      case 'update':
        this.#output.start(this.#dataRequests().update(context, request, topic));
        break;
      case 'delete':
        this.#output.start(this.#dataRequests().delete(context, request, topic));
        break;
      case 'subscribe':
        this.#subscribed().subscribe(context, request, topic);
        break;
    }
  }

  // ---- parts

  #roleChanges(): SessionRoles {
    this.#roles ??= new SessionRoles(this.#output, {
      hold: () => {
        this.#heldBack = [];
      },
      resume: () => this.#resume(),
      withdraw: (takes) => this.#subscriptions?.withdraw(takes),
      nextExpiry: () => this.#subscriptions?.nextExpiry ?? Number.POSITIVE_INFINITY,
    });
    return this.#roles;
  }

  #dataRequests(): Data {
    this.#data ??= new Data(this.#output);
    return this.#data;
  }

  #subscribed(): LiveSubscriptions {
    this.#subscriptions ??= new LiveSubscriptions(this.#output, () => this.#roles?.setExpiry());
    return this.#subscriptions;
  }

  #lookAtRules(): void {
    const topics = this.#output.settings.topics();
    if (topics === this.#topics) return;
    this.#topics = topics;
    this.#subscriptions?.rulesChanged();
  }

  /** Processes the requests after an upgrade, up to the next upgrade. */
  #resume(): void {
    const held = this.#heldBack ?? [];
    this.#heldBack = undefined;
    for (const [index, { frame, at }] of held.entries()) {
      this.#request(frame, this.#output.contextOf(frame, at));
      if (this.#heldBack !== undefined) {
        // Its own list is still empty, because nothing was processed meanwhile.
        this.#heldBack = held.slice(index + 1);
        return;
      }
    }
  }

  #goodbye(): void {
    if (this.#draining && this.#output.idle) this.#close(1001, 'going away');
  }

  #close(code: number, reason: string): void {
    this.#closed = true;
    this.#output.effect({ do: 'close', code, reason });
  }
}

/**
 * One conversation (Good Uncle Websocket API). Requests are taken in the order in which they come, with the roles that the session has then;
 * their answers come when they come. An upgrade holds back what follows it.
 */
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { mayUse } from './access.ts';
import type { Frame } from './codec.ts';
import { Data } from './data.ts';
import { badRequest, problem, refusal, slowDown } from './problems.ts';
import { Excesses, TokenBucket } from './rate.ts';
import { parseRequest } from './requests.ts';
import { Roles } from './roles.ts';
import { Subscriptions } from './subscriptions.ts';
import { type Asked, type SessionSettings, Talk } from './talk.ts';
import type { Topics } from './topics.ts';
import { answerTopics, namesFor, TOPICS } from './topics-read.ts';

const MAX_HELD_BACK = 64;

export class GoodUncleSession implements Session<Frame, string> {
  readonly #talk: Talk;
  readonly #bucket: TokenBucket;
  // Made when first needed: memory of idle connections is a goal.
  #excesses: Excesses | undefined;
  #roles: Roles | undefined;
  #data: Data | undefined;
  #subscriptions: Subscriptions | undefined;
  /** Requests behind an upgrade; undefined when none is under way. */
  #heldBack: { readonly frame: Frame; readonly at: number }[] | undefined;
  #topics: Topics;
  #draining = false;
  #closed = false;

  constructor(settings: SessionSettings, opening: Pick<Opening, 'nonce' | 'address' | 'at'>) {
    this.#talk = new Talk(settings, opening);
    this.#bucket = new TokenBucket(settings.requestsPerSecond, settings.requestBurst, opening.at);
    this.#topics = settings.topics();
  }

  handle(input: Input<Frame>, at: number): readonly Effect<string>[] {
    if (this.#closed) return [];
    this.#talk.at = at;
    this.#lookAtRules();
    switch (input.kind) {
      case 'frame':
        this.#take(input.frame);
        break;
      case 'reply':
      case 'written':
      case 'authenticated':
        this.#talk.answered(input.id, input.outcome);
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
        this.#roles?.heard(input.body);
        break;
      case 'timer':
        if (input.name === 'expiry') this.#roles?.expired();
        if (input.name === 'flushed') this.#talk.flushed();
        this.#subscriptions?.timer(input.name);
        break;
      case 'drain':
        this.#draining = true;
        this.#goodbye();
        break;
      case 'undecodable':
      case 'confirmed':
      case 'revoked':
        // What is not JSON is life and nothing else. Revocations are heard for each grant by itself.
        break;
    }
    return this.#talk.taken();
  }

  // ---- requests

  #take(frame: Frame): void {
    const asked = this.#talk.asked(frame, this.#talk.at);
    if (!this.#bucket.take(this.#talk.at)) {
      this.#excess(asked);
      return;
    }
    if (this.#heldBack === undefined) this.#request(frame, asked);
    else if (this.#heldBack.length >= MAX_HELD_BACK) this.#talk.refuse(asked, slowDown());
    else this.#heldBack.push({ frame, at: this.#talk.at });
  }

  #excess(asked: Asked): void {
    this.#excesses ??= new Excesses();
    if (this.#excesses.add(this.#talk.at)) this.#close(4429, 'rate limit ignored');
    else this.#talk.refuse(asked, slowDown());
  }

  #request(frame: Frame, asked: Asked): void {
    const parsed = frame.unfit === undefined ? parseRequest(frame.payload) : { ok: false as const, refusal: frame.unfit };
    if (!parsed.ok) {
      this.#talk.refuse(asked, parsed.refusal);
      return;
    }
    if (this.#draining) {
      this.#talk.refuse(asked, refusal('error', problem('internal', null, { message: 'the server is going away' })));
      return;
    }
    if (this.#talk.isFull) {
      this.#talk.refuse(asked, slowDown());
      return;
    }
    const request = parsed.value;
    switch (request.type) {
      case 'upgrade':
        this.#talk.start(this.#roleChanges().upgrade(asked, request));
        return;
      case 'downgrade':
        this.#roleChanges().downgrade(asked, request);
        return;
      case 'unsubscribe':
        this.#subscribed().unsubscribe(asked, request);
        return;
    }
    const topic = this.#topics.byName.get(request.topic);
    if (topic === undefined && request.topic === TOPICS) {
      answerTopics(this.#talk, asked, request, this.#topics);
      return;
    }
    if (topic === undefined || (this.#topics.hidden && !mayUse(topic, asked.grants))) {
      this.#talk.refuse(asked, badRequest(problem('unknown', 'topic', { expected: namesFor(this.#topics, asked.grants) })));
      return;
    }
    switch (request.type) {
      case 'create':
        this.#talk.start(this.#asking().create(asked, request, topic));
        break;
      case 'read':
        this.#talk.start(this.#asking().read(asked, request, topic));
        break;
      case 'update':
        this.#talk.start(this.#asking().update(asked, request, topic));
        break;
      case 'delete':
        this.#talk.start(this.#asking().delete(asked, request, topic));
        break;
      case 'subscribe':
        this.#subscribed().subscribe(asked, request, topic);
        break;
    }
  }

  // ---- parts

  #roleChanges(): Roles {
    this.#roles ??= new Roles(this.#talk, {
      hold: () => {
        this.#heldBack = [];
      },
      goOn: () => this.#goOn(),
      withdraw: (takes) => this.#subscriptions?.withdraw(takes),
      nextExpiry: () => this.#subscriptions?.nextExpiry ?? Number.POSITIVE_INFINITY,
    });
    return this.#roles;
  }

  #asking(): Data {
    this.#data ??= new Data(this.#talk);
    return this.#data;
  }

  #subscribed(): Subscriptions {
    this.#subscriptions ??= new Subscriptions(this.#talk, () => this.#roles?.setExpiry());
    return this.#subscriptions;
  }

  #lookAtRules(): void {
    const topics = this.#talk.settings.topics();
    if (topics === this.#topics) return;
    this.#topics = topics;
    this.#subscriptions?.rulesChanged();
  }

  /** What came behind the upgrade is worked on, up to the next upgrade. */
  #goOn(): void {
    const held = this.#heldBack ?? [];
    this.#heldBack = undefined;
    for (const [index, { frame, at }] of held.entries()) {
      this.#request(frame, this.#talk.asked(frame, at));
      if (this.#heldBack !== undefined) {
        // Its own list is empty yet: nothing was taken meanwhile.
        this.#heldBack = held.slice(index + 1);
        return;
      }
    }
  }

  #goodbye(): void {
    if (this.#draining && this.#talk.idle) this.#close(1001, 'going away');
  }

  #close(code: number, reason: string): void {
    this.#closed = true;
    this.#talk.effect({ do: 'close', code, reason });
  }
}

/** The subscriptions of a session (protocol page 3.7, 3.8 and section 4), and when their events are merged. */
import { createHash } from 'node:crypto';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import { type FullChange, isFull } from '@polyedge/contracts/change';
import type { RequestOf } from '@polyedge/contracts/channel';
import { errors } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { parseOwnJson } from '@polyedge/query/json-text';
import { key } from '@polyedge/query/normalize';
import { call } from '@polyedge/session/questions';
import { type Allowed, all, allowed, type Grant, Projection, visibleRows } from './access.ts';
import { choiceRules } from './data.ts';
import { answerText, type ResponseMeta } from './envelope.ts';
import { type Host, Live } from './live.ts';
import type { LiveEventCache, QueryView } from './live-event.ts';
import type { KeptTotals } from './merged-events.ts';
import { badRequest, type ErrorResponse, forbidden, internal, notFound, problem, storeRefusal } from './problems.ts';
import { parseRequest, type Request, type RequestOfType } from './requests.ts';
import { NO_PROBLEMS, type RequestContext, type SessionOutput } from './session-output.ts';
import { allows, type Topic } from './topics.ts';
import { type ReadRows, read, type SessionWork } from './work.ts';
import { elementsOf } from './writing.ts';

const MAX_USED_IDS = 10_000;
/** Maximum length of a subscribe request, because every event repeats it. */
const MAX_ECHO_CHARACTERS = 64 * 1024;
/** Interval of checking the rules while nothing happens. */
const RULES_MS = 2000;
/** Prefix of timers that report the delivery of a subscription's changes. */
const DELIVERED = 'delivered ';

export class LiveSubscriptions implements Host {
  readonly #output: SessionOutput;
  /** Called when a subscription is created: its grants may expire before those of the session. */
  readonly #made: () => void;
  readonly #lives = new Map<string, Live>();
  readonly #byKey = new Map<string, Live>();
  /** Includes those of ended subscriptions: no id is used twice in a session. */
  readonly #usedIds = new Set<string>();
  readonly kept: KeptTotals = { bytes: 0 };
  /** When the next pending event is due. */
  #wakeAt = Number.POSITIVE_INFINITY;

  /** The subscription with which the next flush starts; undefined for the first. */
  #flushFrom: string | undefined;

  constructor(output: SessionOutput, made: () => void) {
    this.#output = output;
    this.#made = made;
  }

  get(key: string): Live | undefined {
    return this.#byKey.get(key);
  }

  /** The watch of a subscription has ended, because it cannot continue without a gap. */
  lost(key: string): void {
    const live = this.#byKey.get(key);
    if (live !== undefined) this.end(live, internal(this.#output.incident('lost')));
  }

  /** Ends those that depend on such a grant. */
  withdraw(takes: (grant: Grant) => boolean): void {
    for (const live of [...this.#lives.values()]) {
      if (live.options.rules.some(({ grant }) => grant !== undefined && takes(grant))) this.end(live, forbidden('revoked'));
    }
  }

  /** The earliest expiry of their grants; Infinity for never. */
  get nextExpiry(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const live of this.#lives.values()) for (const { grant } of live.options.rules) next = Math.min(next, grant?.expires ?? next);
    return next;
  }

  subscribe(context: RequestContext, request: RequestOfType<'subscribe'>, topic: Topic): void {
    const { subscription } = request;
    const why = this.#subscribable(context, request, topic);
    if (why !== undefined) {
      this.#output.refuse(context, why);
      return;
    }
    const rules = choiceRules(this.#output, context, request, topic);
    if (rules === undefined) return;
    const made = this.#queryView(topic, rules, request);
    const live = new Live(
      {
        subscription,
        key: this.#output.newId('live'),
        echo: context.echo,
        topic: topic.name,
        type: topic.type,
        ...made,
        rules,
        initial: request.initial,
        throttleMs: request.throttleMs,
        sort: request.sort,
        limit: request.limit,
        since: request.since,
        history: (epoch) =>
          createHash('sha256')
            .update(JSON.stringify([epoch, made.queryView.name]))
            .digest('hex')
            .slice(0, 24),
      },
      this,
    );
    this.#usedIds.add(subscription);
    this.#lives.set(subscription, live);
    this.#byKey.set(live.options.key, live);
    if (this.#lives.size === 1) this.#output.effect({ do: 'set-timer', name: 'rules', ms: RULES_MS });
    this.#made();
    this.#output.effect({
      do: 'subscribe',
      id: live.options.key,
      to: { tenant: this.#output.settings.tenant, type: topic.type },
      where: made.where,
    });
  }

  #subscribable(context: RequestContext, { subscription }: RequestOfType<'subscribe'>, topic: Topic): ErrorResponse | undefined {
    if (this.#usedIds.has(subscription)) return badRequest(problem('duplicate', 'subscription'));
    if (!topic.live) return forbidden('role', 'topic');
    if (this.#lives.size >= this.#output.settings.maxSubscriptions || this.#usedIds.size >= MAX_USED_IDS)
      return forbidden('limit', 'subscription');
    if (context.echo.text.length > MAX_ECHO_CHARACTERS) return badRequest(problem('too large', null, { expected: MAX_ECHO_CHARACTERS }));
    return undefined;
  }

  /** How a subscription sees rows. */
  #queryView(
    topic: Topic,
    rules: readonly Allowed[],
    request: RequestOfType<'subscribe'>,
  ): { queryView: QueryView; where: Filter; rulesText: string } {
    const where = all([elementsOf(topic, this.#output.settings.scope()), request.criteria.filter, visibleRows(rules, request.named)]);
    const rulesText = JSON.stringify([
      request.fields === undefined ? null : [...request.fields].sort(),
      rules.map(({ rows, fields }) => [key(rows), fields.all, [...fields.names].sort()]),
    ]);
    const queryView = { name: `${key(where)} ${rulesText}`, projection: new Projection(rules, request.fields) };
    return { queryView, where, rulesText: queryView.name };
  }

  unsubscribe(context: RequestContext, { subscription }: RequestOfType<'unsubscribe'>): void {
    const live = this.#lives.get(subscription);
    if (live === undefined) {
      this.#output.refuse(context, notFound('subscription'));
      return;
    }
    this.#forget(live);
    this.#output.answer(context, '{}', {});
  }

  #forget(live: Live): void {
    live.stop();
    this.#lives.delete(live.options.subscription);
    this.#byKey.delete(live.options.key);
    this.#output.effect({ do: 'unsubscribe', id: live.options.key });
    if (this.#lives.size === 0) this.#output.effect({ do: 'clear-timer', name: 'rules' });
  }

  /** The topic rules have changed: subscriptions that would show something else end. */
  rulesChanged(): void {
    const topics = this.#output.settings.topics();
    for (const live of [...this.#lives.values()]) {
      const { topic: name, rules, echo } = live.options;
      const topic = topics.byName.get(name);
      if (topic === undefined) {
        this.end(live, notFound('topic'));
        continue;
      }
      const grants = rules.flatMap(({ grant }) => grant ?? []);
      const now = topic.live ? allowed(topic, 'read', [...new Set(grants)], this.#output.id) : [];
      const parsed = parseRequest(parseOwnJson(echo.text) as Json); // it was parsed before
      const same =
        now.length > 0 &&
        parsed.ok &&
        parsed.value.type === 'subscribe' &&
        this.#queryView(topic, now, parsed.value).rulesText === live.options.rulesText;
      if (!same || namesHidden(now, parsed.value)) this.end(live, forbidden('revoked'));
    }
  }

  // ---- what subscriptions need (Host)

  emit(live: Live, payload: string, meta: ResponseMeta, passport: string): void {
    const text = answerText(this.#liveHead(live), this.#output.at, 'ok', NO_PROBLEMS, payload, { ...meta, seq: live.seq }, passport);
    live.seq += 1;
    this.#output.send(text);
  }

  end(live: Live, { code, problems }: ErrorResponse): void {
    if (live.ended) return;
    // A subscription that never started leaves its id free.
    if (live.seq === 0) this.#usedIds.delete(live.options.subscription);
    this.#output.send(
      answerText(this.#liveHead(live), this.#output.at, code, problems, '{}', { seq: live.seq, last: true }, this.#output.passport()),
    );
    this.#forget(live);
  }

  read(live: Live, limit: number, atLeast: number): void {
    const { where, echo } = live.options;
    const context: RequestContext = { echo, grants: [], storeAt: this.#output.at };
    this.#output.start(this.#rows(live, context, { filter: where, sort: live.sort, limit, atLeast }));
  }

  *#rows(live: Live, context: RequestContext, query: ReadRows['query']): SessionWork {
    const found = yield* read(query);
    if (live.ended) return;
    if (!found.ok) {
      if (errors[found.failure.code].retry === 'later' && live.unread(this.#output.at)) return;
      this.end(live, storeRefusal(found.failure, this.#output));
      return;
    }
    const { elements, cursor, seq } = found.value;
    live.rows(elements, cursor !== undefined, seq, this.#output.passport(context), this.#output.at);
  }

  changes(live: Live, epoch: string, after: number, upTo: number): void {
    const interests = [{ tenant: this.#output.settings.tenant, type: live.options.type }];
    this.#output.start(this.#missed(live, { epoch, after, upTo, interests }));
  }

  *#missed(live: Live, question: RequestOf<typeof graphChanges>): SessionWork {
    const found = yield* call(graphChanges, {}, question);
    const changes = found.ok ? found.value.changes.filter(isFull) : [];
    if (!found.ok || changes.length < found.value.changes.length) live.unmissed();
    else live.missed(changes, found.value.to, this.#output.at);
  }

  whenDelivered(live: Live, epoch: string, seq: number): void {
    this.#output.effect({ do: 'when-delivered', name: `${DELIVERED}${live.options.key}`, id: live.options.key, epoch, seq });
  }

  get liveEvents(): LiveEventCache {
    return this.#output.settings.liveEvents;
  }

  get congested(): boolean {
    return this.#output.congested;
  }

  passport(): string {
    return this.#output.passport();
  }

  passportOf({ on }: FullChange): string {
    return this.#output.commitPassport(on);
  }

  #liveHead(live: Live): string {
    if (live.head?.roles !== this.#output.rolesState)
      live.head = { text: this.#output.head(live.options.echo), roles: this.#output.rolesState };
    return live.head.text;
  }

  /**
   * Sends pending events, in the order in which the subscriptions were made. The first ones could have more to send than the client reads,
   * so the next flush starts after the subscription at which this one stopped.
   */
  #flush(): void {
    const lives = [...this.#lives.values()];
    const first = Math.max(
      0,
      lives.findIndex(({ options }) => options.key === this.#flushFrom),
    );
    this.#flushFrom = undefined;
    for (let at = 0; at < lives.length; at += 1) {
      const waitMs = lives[(first + at) % lives.length]?.flush(this.#output.at);
      if (waitMs !== undefined) this.wake(waitMs);
      if (this.congested) this.#flushFrom ??= lives[(first + at + 1) % lives.length]?.options.key;
    }
  }

  wake(ms: number): void {
    if (this.#output.at + ms >= this.#wakeAt) return;
    this.#wakeAt = this.#output.at + ms;
    this.#output.effect({ do: 'set-timer', name: 'throttle', ms });
  }

  timer(name: string): void {
    switch (name) {
      case 'flushed':
        this.#flush();
        break;
      case 'throttle':
        this.#wakeAt = Number.POSITIVE_INFINITY;
        this.#flush();
        break;
      case 'rules':
        // The timer only exists to trigger handle(), which checks the rules.
        if (this.#lives.size > 0) this.#output.effect({ do: 'set-timer', name: 'rules', ms: RULES_MS });
        break;
      default:
        if (name.startsWith(DELIVERED)) this.#byKey.get(name.slice(DELIVERED.length))?.delivered(this.#output.at);
    }
  }
}

/** Whether new rules hide a field that a subscription names. */
function namesHidden(rules: readonly Allowed[], request: Request): boolean {
  return request.type === 'subscribe' && request.named.some(({ field }) => !rules.some((rule) => allows(rule.fields, field)));
}

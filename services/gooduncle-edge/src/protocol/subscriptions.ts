/** The subscriptions of a session (protocol page 3.7, 3.8 and section 4), and when what they tell is merged. */
import { createHash } from 'node:crypto';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import { type FullChange, isFull } from '@polyedge/contracts/change';
import type { RequestOf } from '@polyedge/contracts/channel';
import { errors } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { parseOwnJson } from '@polyedge/query/json-text';
import { key } from '@polyedge/query/normalize';
import { ask } from '@polyedge/session/questions';
import { type Allowed, all, allowed, type Grant, Showing, visibleRows } from './access.ts';
import { choiceRules } from './data.ts';
import { answerText, type Says } from './envelope.ts';
import type { Happenings, Lens } from './happening.ts';
import { type Host, Live } from './live.ts';
import type { Kept } from './pending.ts';
import { badRequest, forbidden, internal, notFound, problem, type Refusal, storeRefusal } from './problems.ts';
import { parseRequest, type Request } from './requests.ts';
import { type Asked, NO_PROBLEMS, type Talk } from './talk.ts';
import { allows, type Topic } from './topics.ts';
import { type ReadRows, read, type Work } from './work.ts';
import { elementsOf } from './writing.ts';

type Of<Type extends Request['type']> = Extract<Request, { type: Type }>;

const MAX_USED_IDS = 10_000;
/** A request that every event repeats. */
const MAX_ECHO_CHARACTERS = 64 * 1024;
/** How often the rules are looked at while nothing happens. */
const RULES_MS = 2000;
/** What the name of a timer begins with when it tells that changes were delivered to a subscription. */
const DELIVERED = 'delivered ';

export class Subscriptions implements Host {
  readonly #talk: Talk;
  /** Told that a subscription was made: its grants may end before those of the session. */
  readonly #made: () => void;
  readonly #lives = new Map<string, Live>();
  readonly #byKey = new Map<string, Live>();
  /** Also of subscriptions that have ended: no id is used twice in a session. */
  readonly #usedIds = new Set<string>();
  readonly kept: Kept = { bytes: 0 };
  /** When something that only waits for its time is due. */
  #wakeAt = Number.POSITIVE_INFINITY;

  /** With which subscription telling what waits begins; undefined for the first. */
  #flushFrom: string | undefined;

  constructor(talk: Talk, made: () => void) {
    this.#talk = talk;
    this.#made = made;
  }

  get(key: string): Live | undefined {
    return this.#byKey.get(key);
  }

  /** The watch of a subscription has ended, and cannot be continued without a gap. */
  lost(key: string): void {
    const live = this.#byKey.get(key);
    if (live !== undefined) this.end(live, internal(this.#talk.incident('lost')));
  }

  /** Ends those that were made with such a grant. */
  withdraw(takes: (grant: Grant) => boolean): void {
    for (const live of [...this.#lives.values()]) {
      if (live.options.rules.some(({ grant }) => grant !== undefined && takes(grant))) this.end(live, forbidden('revoked'));
    }
  }

  /** When the first of their grants ends; Infinity for never. */
  get nextExpiry(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const live of this.#lives.values()) for (const { grant } of live.options.rules) next = Math.min(next, grant?.expires ?? next);
    return next;
  }

  subscribe(asked: Asked, request: Of<'subscribe'>, topic: Topic): void {
    const { subscription } = request;
    const why = this.#subscribable(asked, request, topic);
    if (why !== undefined) {
      this.#talk.refuse(asked, why);
      return;
    }
    const rules = choiceRules(this.#talk, asked, request, topic);
    if (rules === undefined) return;
    const made = this.#lens(topic, rules, request);
    const live = new Live(
      {
        subscription,
        key: this.#talk.newId('live'),
        echo: asked.echo,
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
            .update(JSON.stringify([epoch, made.lens.name]))
            .digest('hex')
            .slice(0, 24),
      },
      this,
    );
    this.#usedIds.add(subscription);
    this.#lives.set(subscription, live);
    this.#byKey.set(live.options.key, live);
    if (this.#lives.size === 1) this.#talk.effect({ do: 'set-timer', name: 'rules', ms: RULES_MS });
    this.#made();
    this.#talk.effect({
      do: 'subscribe',
      id: live.options.key,
      to: { tenant: this.#talk.settings.tenant, type: topic.type },
      where: made.where,
    });
  }

  #subscribable(asked: Asked, { subscription }: Of<'subscribe'>, topic: Topic): Refusal | undefined {
    if (this.#usedIds.has(subscription)) return badRequest(problem('duplicate', 'subscription'));
    if (!topic.live) return forbidden('role', 'topic');
    if (this.#lives.size >= this.#talk.settings.maxSubscriptions || this.#usedIds.size >= MAX_USED_IDS)
      return forbidden('limit', 'subscription');
    if (asked.echo.text.length > MAX_ECHO_CHARACTERS) return badRequest(problem('too large', null, { expected: MAX_ECHO_CHARACTERS }));
    return undefined;
  }

  /** How a subscription looks at rows. */
  #lens(topic: Topic, rules: readonly Allowed[], request: Of<'subscribe'>): { lens: Lens; where: Filter; rulesText: string } {
    const where = all([elementsOf(topic, this.#talk.settings.scope()), request.criteria.filter, visibleRows(rules, request.named)]);
    const rulesText = JSON.stringify([
      request.fields === undefined ? null : [...request.fields].sort(),
      rules.map(({ rows, fields }) => [key(rows), fields.all, [...fields.names].sort()]),
    ]);
    const lens = { name: `${key(where)} ${rulesText}`, showing: new Showing(rules, request.fields) };
    return { lens, where, rulesText: lens.name };
  }

  unsubscribe(asked: Asked, { subscription }: Of<'unsubscribe'>): void {
    const live = this.#lives.get(subscription);
    if (live === undefined) {
      this.#talk.refuse(asked, notFound('subscription'));
      return;
    }
    this.#forget(live);
    this.#talk.answer(asked, '{}', {});
  }

  #forget(live: Live): void {
    live.stop();
    this.#lives.delete(live.options.subscription);
    this.#byKey.delete(live.options.key);
    this.#talk.effect({ do: 'unsubscribe', id: live.options.key });
    if (this.#lives.size === 0) this.#talk.effect({ do: 'clear-timer', name: 'rules' });
  }

  /** Other topic rules are in force: subscriptions that they would show something else end. */
  rulesChanged(): void {
    const topics = this.#talk.settings.topics();
    for (const live of [...this.#lives.values()]) {
      const { topic: name, rules, echo } = live.options;
      const topic = topics.byName.get(name);
      if (topic === undefined) {
        this.end(live, notFound('topic'));
        continue;
      }
      const grants = rules.flatMap(({ grant }) => grant ?? []);
      const now = topic.live ? allowed(topic, 'read', [...new Set(grants)], this.#talk.id) : [];
      const parsed = parseRequest(parseOwnJson(echo.text) as Json); // what was parsed before
      const same =
        now.length > 0 &&
        parsed.ok &&
        parsed.value.type === 'subscribe' &&
        this.#lens(topic, now, parsed.value).rulesText === live.options.rulesText;
      if (!same || namesHidden(now, parsed.value)) this.end(live, forbidden('revoked'));
    }
  }

  // ---- what subscriptions need (Host)

  tell(live: Live, payload: string, says: Says, passport: string): void {
    const text = answerText(this.#liveHead(live), this.#talk.at, 'ok', NO_PROBLEMS, payload, { ...says, seq: live.seq }, passport);
    live.seq += 1;
    this.#talk.send(text);
  }

  end(live: Live, { code, problems }: Refusal): void {
    if (live.ended) return;
    // A subscription that never began leaves its id free.
    if (live.seq === 0) this.#usedIds.delete(live.options.subscription);
    this.#talk.send(
      answerText(this.#liveHead(live), this.#talk.at, code, problems, '{}', { seq: live.seq, last: true }, this.#talk.passport()),
    );
    this.#forget(live);
  }

  read(live: Live, limit: number, atLeast: number): void {
    const { where, echo } = live.options;
    const asked: Asked = { echo, grants: [], storeAt: this.#talk.at };
    this.#talk.start(this.#rows(live, asked, { filter: where, sort: live.sort, limit, atLeast }));
  }

  *#rows(live: Live, asked: Asked, query: ReadRows['query']): Work {
    const found = yield* read(query);
    if (live.ended) return;
    if (!found.ok) {
      if (errors[found.failure.code].retry === 'later' && live.unread(this.#talk.at)) return;
      this.end(live, storeRefusal(found.failure, this.#talk));
      return;
    }
    const { elements, cursor, seq } = found.value;
    live.rows(elements, cursor !== undefined, seq, this.#talk.passport(asked), this.#talk.at);
  }

  changes(live: Live, epoch: string, after: number, upTo: number): void {
    const interests = [{ tenant: this.#talk.settings.tenant, type: live.options.type }];
    this.#talk.start(this.#missed(live, { epoch, after, upTo, interests }));
  }

  *#missed(live: Live, question: RequestOf<typeof graphChanges>): Work {
    const found = yield* ask(graphChanges, {}, question);
    const changes = found.ok ? found.value.changes.filter(isFull) : [];
    if (!found.ok || changes.length < found.value.changes.length) live.unmissed();
    else live.missed(changes, found.value.to, this.#talk.at);
  }

  whenDelivered(live: Live, epoch: string, seq: number): void {
    this.#talk.effect({ do: 'when-delivered', name: `${DELIVERED}${live.options.key}`, id: live.options.key, epoch, seq });
  }

  get happenings(): Happenings {
    return this.#talk.settings.happenings;
  }

  get congested(): boolean {
    return this.#talk.congested;
  }

  passport(): string {
    return this.#talk.passport();
  }

  passportOf({ on }: FullChange): string {
    return this.#talk.commitPassport(on);
  }

  #liveHead(live: Live): string {
    if (live.head?.roles !== this.#talk.rolesState) live.head = { text: this.#talk.head(live.options.echo), roles: this.#talk.rolesState };
    return live.head.text;
  }

  /**
   * Tells what waits, in the order in which the subscriptions were made. The first of them could have more to tell than the client reads:
   * so the next time begins behind the one at which it was enough.
   */
  #flush(): void {
    const lives = [...this.#lives.values()];
    const first = Math.max(
      0,
      lives.findIndex(({ options }) => options.key === this.#flushFrom),
    );
    this.#flushFrom = undefined;
    for (let at = 0; at < lives.length; at += 1) {
      const waitMs = lives[(first + at) % lives.length]?.flush(this.#talk.at);
      if (waitMs !== undefined) this.wake(waitMs);
      if (this.congested) this.#flushFrom ??= lives[(first + at + 1) % lives.length]?.options.key;
    }
  }

  wake(ms: number): void {
    if (this.#talk.at + ms >= this.#wakeAt) return;
    this.#wakeAt = this.#talk.at + ms;
    this.#talk.effect({ do: 'set-timer', name: 'throttle', ms });
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
        // That it came is enough: rules are looked at with every input.
        if (this.#lives.size > 0) this.#talk.effect({ do: 'set-timer', name: 'rules', ms: RULES_MS });
        break;
      default:
        if (name.startsWith(DELIVERED)) this.#byKey.get(name.slice(DELIVERED.length))?.delivered(this.#talk.at);
    }
  }
}

/** Whether new rules hide a field that a subscription names. */
function namesHidden(rules: readonly Allowed[], request: Request): boolean {
  return request.type === 'subscribe' && request.named.some(({ field }) => !rules.some((rule) => allows(rule.fields, field)));
}

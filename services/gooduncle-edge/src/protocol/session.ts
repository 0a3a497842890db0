/**
 * One conversation (Good Uncle Websocket API). Requests are taken in the order in which they come, with the roles that the session has then;
 * their answers come when they come. An upgrade holds back what follows it.
 */
import { createHash } from 'node:crypto';
import { accountsKeysChanged, accountsLogin, accountsRevoked, KeySet, Revocation, type TokenSet } from '@polyedge/contracts/bus/accounts';
import { graphGet, graphQuery, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { check } from '@polyedge/contracts/schema';
import type { Filter } from '@polyedge/query/filter';
import { isObject, type Json } from '@polyedge/query/json';
import { key } from '@polyedge/query/normalize';
import { compile } from '@polyedge/query/predicate';
import { positionOfCursor, type Sort } from '@polyedge/query/query';
import { call } from '@polyedge/session/call';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { type Allowed, all, allowed, forbiddenField, type Grant, mayUse, Showing, visibleRows } from './access.ts';
import type { Frame } from './codec.ts';
import { answerText, type Echo, echoText, headText, passportText, type Says, type Stamp } from './envelope.ts';
import { ends, Grants, grantsOf, isToken, PROTOCOL, principalOfToken, proofOf } from './grants.ts';
import type { Lens } from './happening.ts';
import { type Host, Live } from './live.ts';
import { badRequest, forbidden, internal, notFound, type Problem, problem, type Refusal, refusal, storeRefusal } from './problems.ts';
import { Excesses, TokenBucket } from './rate.ts';
import { parseRequest, type Request } from './requests.ts';
import { allows, type Topic, type Topics } from './topics.ts';
import { elementsOf, forgetOnces, guardOf, type Plan, planCreate, planDelete, planUpdate, rememberOnce, writeRefusal } from './writing.ts';

/** What all sessions of an edge share. */
export interface SessionSettings {
  /** Whose data this edge serves: one tenant, one scope. */
  readonly tenant: string;
  readonly scope: () => string;
  /** The rules in force. Another object means that they have changed. */
  readonly topics: () => Topics;
  readonly instance: string;
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  readonly maxSubscriptions: number;
  readonly redact: boolean;
  /** What a downgrade does to subscriptions made before it: the original keeps them. */
  readonly onDowngrade: 'keep' | 'revoke';
}

type Out = Effect<string>;
type Of<Type extends Request['type']> = Extract<Request, { type: Type }>;
type Query = RequestOf<typeof graphQuery>;
type Rows = ReplyOf<typeof graphQuery>;

/** A request on its way to its answer. */
interface Asked {
  readonly echo: Echo;
  /** The roles that the session had when it came. */
  readonly grants: readonly Grant[];
  /** When the store was asked, once it was. */
  storeAt: number | undefined;
}

const MAX_HELD_BACK = 64;
const MAX_USED_IDS = 10_000;
const MAX_FAILED_UPGRADES = 5;
const FAILED_UPGRADE_MS = 60_000;
/** What one session may have been sent of live events before they are merged. */
const CONGESTED_BYTES = 256 * 1024;
const FLUSH_MARK_BYTES = 64 * 1024;
/** A request that answers would repeat too often, and all that the answers to one read may come to. */
const MAX_ECHO_CHARACTERS = 64 * 1024;
const MAX_ANSWERS_CHARACTERS = 32 * 1024 * 1024;
/** How often the rules are looked at while nothing happens. */
const RULES_MS = 2000;
const LONGEST_TIMER_MS = 3_600_000;
const NO_PROBLEMS: readonly Problem[] = [];

const revocation = check(Revocation);
const keySet = check(KeySet);

export class GoodUncleSession implements Session<Frame, string>, Host {
  readonly #settings: SessionSettings;
  readonly #id: string;
  readonly #address: string;
  readonly #grants = new Grants();
  readonly #bucket: TokenBucket;
  readonly #excesses = new Excesses();
  /** When upgrades failed, the last few. */
  #failedUpgrades: number[] = [];
  /** Counts changes of the roles, for the heads of answers. */
  #rolesState = 0;
  /** Requests behind an upgrade; undefined when none is under way. */
  #heldBack: { readonly frame: Frame; readonly at: number }[] | undefined;
  readonly #waiting = new Map<string, (outcome: Outcome<unknown>) => void>();
  readonly #lives = new Map<string, Live>();
  readonly #byKey = new Map<string, Live>();
  readonly #usedIds = new Set<string>();
  #topics: Topics;
  #count = 0;
  #listening = false;
  #swept = false;
  #draining = false;
  #closed = false;
  // Bytes of live events since the client was last known to have read, and since that was last asked.
  #owed = 0;
  #owedSince = 0;
  #flushAsked = false;
  /** When something that only waits for its time is due. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #out: Out[] = [];
  #at: number;

  constructor(settings: SessionSettings, opening: Pick<Opening, 'nonce' | 'address' | 'at'>) {
    this.#settings = settings;
    this.#id = Buffer.from(opening.nonce, 'hex').toString('base64url');
    this.#address = opening.address;
    this.#at = opening.at;
    this.#bucket = new TokenBucket(settings.requestsPerSecond, settings.requestBurst, opening.at);
    this.#topics = settings.topics();
  }

  handle(input: Input<Frame>, at: number): readonly Out[] {
    if (this.#closed) return [];
    this.#out = [];
    this.#at = at;
    if (this.#topics !== this.#settings.topics()) this.#rulesChanged();
    switch (input.kind) {
      case 'frame':
        this.#take(input.frame);
        break;
      case 'reply':
      case 'written':
      case 'authenticated':
        this.#answered(input.id, input.outcome);
        break;
      case 'subscribed':
        this.#byKey.get(input.id)?.watched(input.seq);
        break;
      case 'event':
        this.#byKey.get(input.id)?.change(input.change, at);
        break;
      case 'lost': {
        const live = this.#byKey.get(input.id);
        if (live !== undefined) this.end(live, internal(this.incident));
        break;
      }
      case 'message':
        this.#heard(input.body);
        break;
      case 'timer':
        this.#timer(input.name);
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
    const out = this.#out;
    this.#out = [];
    return out;
  }

  // ---- requests

  #take(frame: Frame): void {
    const asked = this.#asked(frame, this.#at);
    if (!this.#bucket.take(this.#at)) {
      this.#excess(asked);
      return;
    }
    if (this.#heldBack === undefined) this.#request(frame, asked);
    else if (this.#heldBack.length >= MAX_HELD_BACK) this.#refuse(asked, refusal('slow down', problem('rate')));
    else this.#heldBack.push({ frame, at: this.#at });
  }

  #asked({ payload, text }: Frame, at: number): Asked {
    return { echo: { at, text: echoText(text, payload, this.#settings.redact) }, grants: this.#grants.held, storeAt: undefined };
  }

  #excess(asked: Asked): void {
    switch (this.#excesses.add(this.#at)) {
      case 'tell':
        this.#refuse(asked, refusal('slow down', problem('rate')));
        break;
      case 'hang up':
        this.#close(4429, 'rate limit ignored');
        break;
      case 'drop':
        break;
    }
  }

  #request(frame: Frame, asked: Asked): void {
    const parsed = parseRequest(frame.payload);
    if (!parsed.ok) {
      this.#refuse(asked, parsed.refusal);
      return;
    }
    if (this.#draining) {
      this.#refuse(asked, refusal('error', problem('internal', null, { message: 'the server is going away' })));
      return;
    }
    const request = parsed.value;
    switch (request.type) {
      case 'upgrade':
        this.#upgrade(asked, request);
        return;
      case 'downgrade':
        this.#downgrade(asked, request);
        return;
      case 'unsubscribe':
        this.#unsubscribe(asked, request);
        return;
    }
    const topic = this.#topics.byName.get(request.topic);
    if (topic === undefined || (this.#topics.hidden && !mayUse(topic, asked.grants))) {
      this.#refuse(asked, badRequest(problem('unknown', 'topic')));
      return;
    }
    switch (request.type) {
      case 'create':
        this.#create(asked, request, topic);
        break;
      case 'read':
        this.#read(asked, request, topic);
        break;
      case 'update':
        this.#update(asked, request, topic);
        break;
      case 'delete':
        this.#delete(asked, request, topic);
        break;
      case 'subscribe':
        this.#subscribe(asked, request, topic);
        break;
    }
  }

  // ---- roles

  #upgrade(asked: Asked, { by, role }: Of<'upgrade'>): void {
    this.#failedUpgrades = this.#failedUpgrades.filter((at) => this.#at - at < FAILED_UPGRADE_MS);
    if (this.#failedUpgrades.length >= MAX_FAILED_UPGRADES) {
      this.#refuse(asked, refusal('slow down', problem('rate')));
      return;
    }
    this.#heldBack = [];
    // Before the login, so that no revocation can fall between the two.
    this.#listen();
    asked.storeAt = this.#at;
    const id = this.#newId('login');
    if ('token' in by || isToken(by.password)) {
      const credential = 'token' in by ? by.token : by.password;
      this.#expect<Principal>(id, (outcome) => {
        const wrongUser = outcome.ok && 'user' in by && outcome.value.username !== by.user;
        if (wrongUser || (!outcome.ok && outcome.failure.code === 'unauthenticated')) this.#upgradeFailed(asked);
        else if (outcome.ok) this.#upgraded(asked, outcome.value, outcome.value.expiresAt, role);
        else this.#upgradeEnded(asked, storeRefusal(outcome.failure, this.incident));
      });
      this.#out.push({ do: 'authenticate', id, credential, adopt: false });
      return;
    }
    this.#expect<TokenSet>(id, (outcome) => {
      if (outcome.ok) {
        const principal = principalOfToken(outcome.value.accessToken);
        if (principal === undefined) this.#upgradeEnded(asked, internal(this.incident));
        // A login lasts as long as its connection: the original knows no end of it.
        else this.#upgraded(asked, principal, undefined, role);
      } else if (outcome.failure.code === 'unauthenticated') this.#upgradeFailed(asked);
      else this.#upgradeEnded(asked, storeRefusal(outcome.failure, this.incident));
    });
    const login = { username: by.user, proof: proofOf(by.password), protocol: PROTOCOL, app: PROTOCOL, address: this.#address };
    this.#out.push({ do: 'request', id, call: call(accountsLogin, {}, login), unordered: true });
  }

  #upgraded(asked: Asked, principal: Principal, expires: number | undefined, role: string | undefined): void {
    // An edge serves one tenant; who belongs to another is nobody here.
    if (principal.tenant !== this.#settings.tenant) {
      this.#upgradeFailed(asked);
      return;
    }
    const given = grantsOf(principal, expires, role);
    if (role !== undefined && given.length === 0) {
      this.#upgradeEnded(asked, forbidden('role', 'role'));
      return;
    }
    const added = this.#grants.add(given);
    if (added === undefined) {
      this.#upgradeEnded(asked, forbidden('limit'));
      return;
    }
    this.#rolesChanged();
    this.#answer(asked, JSON.stringify({ added, expires: expires ?? null }), {});
    this.#goOn();
  }

  #upgradeFailed(asked: Asked): void {
    this.#failedUpgrades.push(this.#at);
    this.#upgradeEnded(asked, forbidden('credentials'));
  }

  #upgradeEnded(asked: Asked, why: Refusal): void {
    this.#refuse(asked, why);
    this.#goOn();
  }

  /** What came behind the upgrade is worked on, up to the next upgrade. */
  #goOn(): void {
    const held = this.#heldBack ?? [];
    this.#heldBack = undefined;
    for (const [index, { frame, at }] of held.entries()) {
      this.#request(frame, this.#asked(frame, at));
      if (this.#heldBack !== undefined) {
        // Its own list is empty yet: nothing was taken meanwhile.
        this.#heldBack = held.slice(index + 1);
        return;
      }
    }
  }

  #downgrade(asked: Asked, { roles }: Of<'downgrade'>): void {
    const held = this.#grants.roles;
    const removed = roles === undefined ? held : held.filter((role) => roles.includes(role));
    if (roles !== undefined && removed.length === 0) {
      this.#refuse(asked, notFound('role'));
      return;
    }
    const taken = this.#grants.remove(({ role }) => removed.includes(role));
    this.#rolesChanged();
    this.#answer(asked, JSON.stringify({ removed }), {});
    if (this.#settings.onDowngrade === 'revoke') this.#revoke((grant) => taken.includes(grant));
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#out.push({ do: 'listen', id: 'revoked', subject: accountsRevoked.subject({}) });
    // Says again what may have been missed.
    this.#out.push({ do: 'listen', id: 'keys', subject: accountsKeysChanged.subject({}) });
  }

  #heard(body: unknown): void {
    const revocations = revocation.test(body) ? [body] : keySet.test(body) ? body.revocations : [];
    if (revocations.length > 0) this.#revoke((grant) => revocations.some((one) => ends(one, grant)));
  }

  /** Rights that the server withdraws: roles go, and subscriptions made with them end. */
  #revoke(takes: (grant: Grant) => boolean): void {
    if (this.#grants.remove(takes).length > 0) this.#rolesChanged();
    for (const live of [...this.#lives.values()]) {
      const lost = live.options.rules.some(({ grant }) => grant !== undefined && takes(grant));
      if (lost) this.end(live, forbidden('revoked'));
    }
  }

  #rolesChanged(): void {
    this.#rolesState += 1;
    this.#setExpiry();
  }

  /** The next moment at which a grant ends, of the session or of a subscription. */
  #setExpiry(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const { expires } of this.#grants.held) next = Math.min(next, expires ?? next);
    for (const live of this.#lives.values()) for (const { grant } of live.options.rules) next = Math.min(next, grant?.expires ?? next);
    if (next === Number.POSITIVE_INFINITY) return;
    this.#out.push({ do: 'set-timer', name: 'expiry', ms: Math.min(Math.max(1, next - this.#at), LONGEST_TIMER_MS) });
  }

  // ---- data

  #create(asked: Asked, request: Of<'create'>, topic: Topic): void {
    const rules = this.#rules(asked, topic, 'create');
    if (rules === undefined) return;
    const id = request.id ?? this.#newResourceId();
    const scope = this.#settings.scope();
    const plan = planCreate(topic, rules, request, id, scope);
    if (!plan.ok) {
      this.#refuse(asked, plan.refusal);
      return;
    }
    const reads = allowed(topic, 'read', asked.grants, this.#id);
    const showing = new Showing(reads, undefined);
    if (request.once !== undefined) {
      this.#createOnce(asked, request.once, plan, showing, topic);
      return;
    }
    this.#write(asked, plan.operations, plan.rule, request.type, ({ operations, last }) => {
      const row = operations[0]?.elements[0];
      this.#answer(asked, JSON.stringify(row === undefined ? { id } : showing.resource(row)), { version: last });
    });
  }

  #createOnce(asked: Asked, once: string, plan: Extract<Plan, { ok: true }>, showing: Showing, topic: Topic): void {
    const [create] = plan.operations;
    if (create?.op !== 'create') return;
    const { tenant, scope: scopeOf } = this.#settings;
    const scope = scopeOf();
    const who = plan.rule.grant?.account ?? '';
    const name = `once-${createHash('sha256')
      .update(JSON.stringify([who, topic.name, once]))
      .digest('hex')
      .slice(0, 40)}`;
    const stamp = { on: Math.floor(this.#at), by: who, app: PROTOCOL };
    const row = {
      ...create,
      id: create.id ?? '',
      scope,
      kind: 'vertex',
      version: 1,
      seq: 0,
      deleted: false,
      created: stamp,
      modified: stamp,
    } as const;
    const payload = showing.resource(row);
    if (!this.#swept) {
      this.#swept = true;
      this.#mutate([forgetOnces(scope, this.#at)], plan.rule, 'forget', () => {});
    }
    this.#mutate([rememberOnce(name, scope, payload, this.#at), create], plan.rule, 'create', (outcome) => {
      if (outcome.ok) this.#answer(asked, JSON.stringify(payload), { version: outcome.value.last });
      else if (outcome.failure.code === 'not-allowed' && guardOf(outcome.failure.detail) === 'before') {
        this.#ask<ReplyOf<typeof graphGet>>(call(graphGet, { tenant }, { ids: [name] }), (found) => {
          const known = found.ok ? found.value.elements[0] : undefined;
          const answer = known?.attributes.answer;
          if (known == null || !isObject(answer)) this.#refuse(asked, internal(this.incident));
          // The resource was made by the next change of the same commit.
          else this.#answer(asked, JSON.stringify(answer), { version: known.seq + 1 });
        });
      } else this.#refuse(asked, writeRefusal(outcome.failure, this.incident));
    });
    asked.storeAt = this.#at;
  }

  #read(asked: Asked, request: Of<'read'>, topic: Topic): void {
    const rules = this.#choice(asked, request, topic);
    if (rules === undefined) return;
    const sort: readonly Sort[] = request.sort ?? [{ path: ['created', 'on'], order: 'asc' }];
    if (request.after !== undefined && positionOfCursor(request.after, sort) === undefined) {
      this.#refuse(asked, badRequest(problem('value', 'after')));
      return;
    }
    const filter = all([elementsOf(topic, this.#settings.scope()), request.criteria.filter, visibleRows(rules, request.named)]);
    const body: Query = request.count
      ? { filter, limit: 0, count: true }
      : { filter, sort, limit: request.limit ?? 10_000, ...(request.after === undefined ? {} : { cursor: request.after }) };
    asked.storeAt = this.#at;
    this.#ask<Rows>(call(graphQuery, { tenant: this.#settings.tenant }, body), (outcome) => {
      if (!outcome.ok) {
        this.#refuse(asked, storeRefusal(outcome.failure, this.incident));
        return;
      }
      const { elements, cursor, count = 0, seq } = outcome.value;
      if (request.count) {
        this.#answer(asked, JSON.stringify({ count }), { count, version: seq });
        return;
      }
      if (elements.length === 0) {
        this.#refuse(asked, notFound('criteria'), { count: 0 });
        return;
      }
      const head = this.#head(asked.echo);
      if (head.length * elements.length > MAX_ANSWERS_CHARACTERS) {
        this.#refuse(asked, badRequest(problem('too large', null, { message: 'the answers would repeat too long a request' })));
        return;
      }
      const showing = new Showing(rules, request.fields);
      const passport = this.#passport(asked);
      for (const [index, row] of elements.entries()) {
        const last = index === elements.length - 1;
        const says: Says = {
          seq: index,
          count: elements.length,
          version: seq,
          ...(last ? { last: true } : {}),
          ...(last && cursor !== undefined ? { more: true, cursor } : {}),
        };
        this.#send(answerText(head, this.#at, 'ok', NO_PROBLEMS, JSON.stringify(showing.resource(row)), says, passport));
      }
    });
  }

  #update(asked: Asked, request: Of<'update'>, topic: Topic): void {
    const rules = this.#rules(asked, topic, 'update');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', asked.grants, this.#id);
    this.#change(asked, planUpdate(topic, rules, reads, request, this.#settings.scope()), request.type);
  }

  #delete(asked: Asked, request: Of<'delete'>, topic: Topic): void {
    const rules = this.#rules(asked, topic, 'delete');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', asked.grants, this.#id);
    this.#change(asked, planDelete(topic, rules, reads, request, this.#settings.scope()), request.type);
  }

  #change(asked: Asked, plan: Plan, what: string): void {
    if (!plan.ok) {
      this.#refuse(asked, plan.refusal);
      return;
    }
    this.#write(asked, plan.operations, plan.rule, what, ({ operations, last }) => {
      const rows = operations[0]?.elements ?? [];
      if (rows.length === 0) {
        this.#refuse(asked, notFound('criteria'));
        return;
      }
      const payload = { count: rows.length, ids: rows.slice(0, 100).map(({ id }) => id) };
      this.#answer(asked, JSON.stringify(payload), last === 0 ? {} : { version: last });
    });
  }

  #write(asked: Asked, operations: readonly Operation[], rule: Allowed, what: string, done: (result: MutationResult) => void): void {
    asked.storeAt = this.#at;
    this.#mutate(operations, rule, what, (outcome) => {
      if (outcome.ok) done(outcome.value);
      else this.#refuse(asked, writeRefusal(outcome.failure, this.incident));
    });
  }

  #mutate(operations: readonly Operation[], rule: Allowed, what: string, done: (outcome: Outcome<MutationResult>) => void): void {
    const { tenant, scope } = this.#settings;
    const id = this.#newId('write');
    this.#expect<MutationResult>(id, done);
    this.#out.push({
      do: 'mutate',
      id,
      tenant,
      defaultScope: scope(),
      own: 'answer-first',
      request: {
        by: rule.grant?.account ?? 'anonymous',
        app: PROTOCOL,
        origin: { protocol: PROTOCOL, way: 'socket', operation: what },
        operations: [...operations],
      },
    });
  }

  /** The rules of a verb; the request is refused when there are none. */
  #rules(asked: Asked, topic: Topic, verb: 'create' | 'read' | 'update' | 'delete'): readonly Allowed[] | undefined {
    const rules = allowed(topic, verb, asked.grants, this.#id);
    if (rules.length > 0) return rules;
    this.#refuse(asked, forbidden('role'));
    return undefined;
  }

  /** The rules of reading, when every field that the request names may be looked at. */
  #choice(asked: Asked, { named }: Of<'read'> | Of<'subscribe'>, topic: Topic): readonly Allowed[] | undefined {
    const rules = this.#rules(asked, topic, 'read');
    const hidden = rules === undefined ? undefined : forbiddenField(rules, named);
    if (hidden === undefined) return rules;
    this.#refuse(asked, forbidden('field', hidden.place));
    return undefined;
  }

  // ---- subscriptions

  #subscribe(asked: Asked, request: Of<'subscribe'>, topic: Topic): void {
    const { subscription } = request;
    const why = this.#subscribable(asked, request, topic);
    if (why !== undefined) {
      this.#refuse(asked, why);
      return;
    }
    const rules = this.#choice(asked, request, topic);
    if (rules === undefined) return;
    const made = this.#lens(topic, rules, request);
    const live = new Live(
      {
        subscription,
        key: this.#newId('live'),
        echo: asked.echo,
        topic: topic.name,
        ...made,
        rules,
        initial: request.initial,
        throttleMs: request.throttleMs,
        sort: request.sort,
        limit: request.limit,
      },
      this,
    );
    this.#usedIds.add(subscription);
    this.#lives.set(subscription, live);
    this.#byKey.set(live.options.key, live);
    if (this.#lives.size === 1) this.#out.push({ do: 'set-timer', name: 'rules', ms: RULES_MS });
    this.#setExpiry();
    this.#out.push({ do: 'subscribe', id: live.options.key, to: { tenant: this.#settings.tenant, type: topic.type }, where: made.where });
  }

  #subscribable(asked: Asked, { subscription }: Of<'subscribe'>, topic: Topic): Refusal | undefined {
    if (this.#usedIds.has(subscription)) return badRequest(problem('duplicate', 'subscription'));
    if (!topic.live) return forbidden('role', 'topic');
    if (this.#lives.size >= this.#settings.maxSubscriptions || this.#usedIds.size >= MAX_USED_IDS)
      return forbidden('limit', 'subscription');
    if (asked.echo.text.length > MAX_ECHO_CHARACTERS) return badRequest(problem('too large', null, { expected: MAX_ECHO_CHARACTERS }));
    return undefined;
  }

  /** How a subscription looks at rows. */
  #lens(topic: Topic, rules: readonly Allowed[], request: Of<'subscribe'>): { lens: Lens; where: Filter; rulesText: string } {
    const where = all([elementsOf(topic, this.#settings.scope()), request.criteria.filter, visibleRows(rules, request.named)]);
    const rulesText = JSON.stringify([
      request.fields === undefined ? null : [...request.fields].sort(),
      rules.map(({ rows, fields }) => [key(rows), fields.all, [...fields.names].sort()]),
    ]);
    const lens = { name: `${key(where)} ${rulesText}`, matches: compile(where), showing: new Showing(rules, request.fields) };
    return { lens, where, rulesText: lens.name };
  }

  #unsubscribe(asked: Asked, { subscription }: Of<'unsubscribe'>): void {
    const live = this.#lives.get(subscription);
    if (live === undefined) {
      this.#refuse(asked, notFound('subscription'));
      return;
    }
    this.#forget(live);
    this.#answer(asked, '{}', {});
  }

  #forget(live: Live): void {
    live.stop();
    this.#lives.delete(live.options.subscription);
    this.#byKey.delete(live.options.key);
    this.#out.push({ do: 'unsubscribe', id: live.options.key });
    if (this.#lives.size === 0) this.#out.push({ do: 'clear-timer', name: 'rules' });
  }

  /** Other topic rules are in force: subscriptions that they would show something else end. */
  #rulesChanged(): void {
    this.#topics = this.#settings.topics();
    for (const live of [...this.#lives.values()]) {
      const { topic: name, rules, echo } = live.options;
      const topic = this.#topics.byName.get(name);
      if (topic === undefined) {
        this.end(live, notFound('topic'));
        continue;
      }
      const grants = rules.flatMap(({ grant }) => grant ?? []);
      const now = topic.live ? allowed(topic, 'read', [...new Set(grants)], this.#id) : [];
      const parsed = parseRequest(JSON.parse(echo.text) as Json); // our own copy of what was parsed before
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
    const text = answerText(this.#liveHead(live), this.#at, 'ok', NO_PROBLEMS, payload, { ...says, seq: live.seq }, passport);
    live.seq += 1;
    this.#send(text);
    this.#owed += text.length;
    this.#owedSince += text.length;
    if (this.#flushAsked || this.#owed < FLUSH_MARK_BYTES) return;
    this.#flushAsked = true;
    this.#owedSince = 0;
    this.#out.push({ do: 'when-flushed', name: 'flushed', bytes: FLUSH_MARK_BYTES });
  }

  end(live: Live, { code, problems }: Refusal): void {
    if (live.ended) return;
    // A subscription that never began leaves its id free.
    if (live.seq === 0) this.#usedIds.delete(live.options.subscription);
    this.#send(answerText(this.#liveHead(live), this.#at, code, problems, '{}', { seq: live.seq, last: true }, this.passport()));
    this.#forget(live);
  }

  read(live: Live, limit: number, atLeast: number): void {
    const { where, echo } = live.options;
    const asked: Asked = { echo, grants: [], storeAt: this.#at };
    this.#ask<Rows>(call(graphQuery, { tenant: this.#settings.tenant }, { filter: where, sort: live.sort, limit, atLeast }), (outcome) => {
      if (live.ended) return;
      if (!outcome.ok) {
        this.end(live, storeRefusal(outcome.failure, this.incident));
        return;
      }
      const { elements, cursor, seq } = outcome.value;
      live.rows(elements, cursor !== undefined, seq, this.#passport(asked), this.#at);
    });
  }

  get congested(): boolean {
    return this.#owed >= CONGESTED_BYTES;
  }

  get incident(): string {
    this.#count += 1;
    return `${this.#id.slice(0, 8)}-${this.#count}`;
  }

  passport(): string {
    return passportText([this.#stamp(this.#at)]);
  }

  passportOf({ on }: FullChange): string {
    return passportText([{ service: 'graph-store', instance: 'journal', in: on, out: on }, this.#stamp(this.#at)]);
  }

  #liveHead(live: Live): string {
    if (live.head?.roles !== this.#rolesState) live.head = { text: this.#head(live.options.echo), roles: this.#rolesState };
    return live.head.text;
  }

  // ---- time

  #timer(name: string): void {
    switch (name) {
      case 'expiry':
        this.#revoke(({ expires }) => expires !== undefined && expires <= this.#at);
        this.#setExpiry();
        break;
      case 'flushed':
        this.#flushAsked = false;
        this.#owed = this.#owedSince;
        this.#owedSince = 0;
        this.#flush();
        break;
      case 'throttle':
        this.#wakeAt = Number.POSITIVE_INFINITY;
        this.#flush();
        break;
      case 'rules':
        // That it came is enough: rules are looked at with every input.
        if (this.#lives.size > 0) this.#out.push({ do: 'set-timer', name: 'rules', ms: RULES_MS });
        break;
    }
  }

  /** Tells what waits, in the order in which the subscriptions were made. */
  #flush(): void {
    for (const live of [...this.#lives.values()]) {
      const waitMs = live.flush(this.#at);
      if (waitMs !== undefined) this.wake(waitMs);
    }
  }

  wake(ms: number): void {
    if (this.#at + ms >= this.#wakeAt) return;
    this.#wakeAt = this.#at + ms;
    this.#out.push({ do: 'set-timer', name: 'throttle', ms });
  }

  // ---- answers

  #answer(asked: Asked, payload: string, says: Says): void {
    this.#send(
      answerText(this.#head(asked.echo), this.#at, 'ok', NO_PROBLEMS, payload, { ...says, seq: 0, last: true }, this.#passport(asked)),
    );
  }

  #refuse(asked: Asked, { code, problems }: Refusal, says: Says = {}): void {
    this.#send(answerText(this.#head(asked.echo), this.#at, code, problems, '{}', { ...says, seq: 0, last: true }, this.#passport(asked)));
  }

  #head(echo: Echo): string {
    return headText(this.#id, this.#grants.roles, echo);
  }

  #passport({ echo, storeAt }: Asked): string {
    const stamps: Stamp[] = [this.#stamp(echo.at)];
    if (storeAt !== undefined) {
      stamps.push({ service: 'graph-store', instance: 'journal', in: Math.floor(storeAt), out: Math.floor(this.#at) });
    }
    return passportText(stamps);
  }

  #stamp(since: number): Stamp {
    return { service: 'gooduncle-edge', instance: this.#settings.instance, in: Math.floor(since), out: Math.floor(this.#at) };
  }

  #send(frame: string): void {
    this.#out.push({ do: 'send', frame });
  }

  // ---- questions

  #ask<Reply>(question: ReturnType<typeof call>, done: (outcome: Outcome<Reply>) => void): void {
    const id = this.#newId('ask');
    this.#expect(id, done);
    this.#out.push({ do: 'request', id, call: question });
  }

  /** What `id` is answered was checked against the schema of the channel that was asked: the one place where the two types meet. */
  #expect<Reply>(id: string, done: (outcome: Outcome<Reply>) => void): void {
    this.#waiting.set(id, done as (outcome: Outcome<unknown>) => void);
  }

  #answered(id: string, outcome: Outcome<unknown>): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(outcome);
    if (this.#draining) this.#goodbye();
  }

  #goodbye(): void {
    if (this.#waiting.size === 0) this.#close(1001, 'going away');
  }

  #close(code: number, reason: string): void {
    this.#closed = true;
    this.#out.push({ do: 'close', code, reason });
  }

  #newId(what: string): string {
    this.#count += 1;
    return `${what}:${this.#count}`;
  }

  /** Sorts by time of creation, and belongs to this session only. */
  #newResourceId(): string {
    this.#count += 1;
    const time = Math.floor(this.#at).toString(36).padStart(9, '0');
    const count = this.#count.toString(36).padStart(5, '0');
    return `${time}${count}${createHash('sha256').update(this.#id).digest('hex').slice(0, 16)}`;
  }
}

/** Whether new rules hide a field that a subscription names. */
function namesHidden(rules: readonly Allowed[], request: Request): boolean {
  return request.type === 'subscribe' && request.named.some(({ field }) => !rules.some((rule) => allows(rule.fields, field)));
}

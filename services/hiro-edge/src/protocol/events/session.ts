import { INTERNAL_GROUPS, MAX_GROUP_NAME } from '@polyedge/contracts/bus/groups';
import type { Failure } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { EventsMessage, HiroError } from '@polyedge/contracts/wire/hiro';
import { MAX_ID_CHARACTERS } from '@polyedge/contracts/wire/hiro';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { canonicalJson, key } from '@polyedge/query/normalize';
import type { Effect, Input, Opening, Session, View } from '@polyedge/session/session';
import type { Event } from '../element/event.ts';
import { mayUseScope, visibleEventsFor } from '../element/visibility.ts';
import { CLOSE, closeReason, TOKEN_EXPIRED, TOKEN_REVOKED, toError } from '../failures.ts';
import { compileJfilter } from '../jfilter/jfilter.ts';
import { expiryTimer, openOrRefuse } from '../opening.ts';
import type { EventsFrame } from './codec.ts';

export interface EventsSettings {
  /** How long a token is honoured after its expiry. */
  readonly tokenGraceMs: number;
}

/** Filters of one socket, and scopes it may subscribe to. */
const MAX_FILTERS = 1000;
const MAX_SCOPES = 1000;
/** Of most sockets: what they never use is not made for them, as memory per connection is a goal. */
const NONE: ReadonlySet<string> = new Set();
/** A replaced subscription ends when its last frames have reached the client, or after this time. */
const RETIRE_MS = 2000;
const MAX_RETIRING = 4;
/** What the driver has to allow one socket: every filter, and the replaced ones that still have frames under way. */
export const MAX_SUBSCRIPTIONS = MAX_FILTERS * (1 + MAX_RETIRING);

type Out = Effect<Event | HiroError>;

/** What the query of the upgrade asks for. Only the exact text `true` is true (hiro-python-library, glitches). */
export interface Wishes {
  readonly delta: boolean;
  readonly allScopes: boolean;
}

function wishesOf(query: Readonly<Record<string, string>>): Wishes {
  return { delta: query.delta === 'true', allScopes: (query.allscopes ?? '') === '' || query.allscopes === 'true' };
}

/** A group that a socket asks to be a member of; `smallest` and `largest` count only for a group that has no position yet. */
interface GroupWish {
  readonly name: string;
  readonly start: 'smallest' | 'largest';
}

/** Absent and empty mean no group; an unreadable offset is `largest`, so that it never fails the upgrade. */
function groupOf(query: Readonly<Record<string, string>>): GroupWish | undefined {
  const name = query.groupId ?? '';
  return name === '' ? undefined : { name, start: query.offset === 'smallest' ? 'smallest' : 'largest' };
}

interface Replaced {
  readonly name: string;
  readonly subscription: string;
}

interface Registered {
  readonly filter: Filter;
  /** The subscription that serves it, and what it shows: equal keys show the same. */
  subscription: string;
  shows: string;
}

/** The id of the membership, and the timer that waits for further filters before it begins. */
const GROUP = 'group';
const JOIN_SETTLE_MS = 25;

/**
 * One conversation on events-ws. Nothing is ever acknowledged, because the JavaScript client takes every frame for an event. Without a group
 * it brings live events only: each filter is a subscription of its own, and the broadcaster sends a change once, however many of them match. With a
 * group the socket is a member from its first filter on and as long as it has one, and all its filters make one view.
 */
class EventsSession implements Session<EventsFrame, Event | HiroError> {
  readonly #settings: EventsSettings;
  readonly #wishes: Wishes;
  readonly #group: GroupWish | undefined;
  #membership: 'none' | 'settling' | 'member' = 'none';
  #principal: Principal;
  #scopes: Set<string> | undefined;
  /** By canonical filter-id: ids may be any JSON value. */
  readonly #filters = new Map<string, Registered>();
  /** Subscriptions that were replaced and still have frames under way, each with its filter, by the confirmation that ends them. */
  #retiring: Map<string, readonly Replaced[]> | undefined;
  #count = 0;
  #closed = false;

  constructor(principal: Principal, wishes: Wishes, settings: EventsSettings, group?: GroupWish) {
    this.#principal = principal;
    this.#wishes = wishes;
    this.#group = group;
    this.#settings = settings;
  }

  handle(input: Input<EventsFrame>, at: number): readonly Out[] {
    if (this.#closed) return [];
    switch (input.kind) {
      case 'frame':
        return this.#receive(input.frame);
      case 'undecodable':
        return [errorFrame({ code: 'invalid', detail: input.problem })];
      case 'authenticated':
        return this.#authenticated(input.outcome, at);
      case 'timer':
        if (input.name === 'expiry') return this.#checkExpiry(at);
        return input.name === GROUP ? this.#becomeMember() : this.#endRetired(() => true);
      case 'confirmed':
        return this.#endRetired((_, id) => id === input.id);
      case 'revoked':
        return this.#refuse(TOKEN_REVOKED);
      case 'lost':
        if (this.#group !== undefined) return this.#lostMembership(input.failure);
        // Without a group there is no position to continue from: the client has to know that something is missing.
        return this.#close(CLOSE.overload, 'events were lost, connect again');
      case 'drain':
        return this.#close(CLOSE.goingAway, 'going away');
      case 'reply':
      case 'written':
      case 'event':
      case 'message':
      case 'subscribed':
        return []; // events go to the broadcaster
    }
  }

  #receive(frame: EventsFrame): readonly Out[] {
    switch (frame.type) {
      case 'token':
        return [{ do: 'authenticate', id: this.#newName('token'), credential: frame.args._TOKEN, adopt: true }];
      case 'subscribe':
        return this.#subscribe(frame.id ?? undefined);
      case 'register':
        return this.#register(frame.args);
      case 'unregister':
        return this.#unregister(nameOf(frame.args['filter-id']));
      case 'clear':
        if (this.#group === undefined) return [...this.#filters.keys()].flatMap((name) => this.#unregister(name));
        this.#filters.clear();
        return this.#showInGroup();
      case 'nothing':
        return [];
      case 'binary':
        return this.#close(CLOSE.notText, 'text frames only');
    }
  }

  /** A further scope. The Elixir client sends `null` when none is configured: the default scope stays. */
  #subscribe(scope: string | undefined): readonly Out[] {
    if (scope === undefined || scope === '' || this.#wishes.allScopes || this.#scopes?.has(scope) === true) return [];
    // The Java client reconnects on any error frame: only for real denials.
    if (!mayUseScope(this.#principal, scope)) return [errorFrame({ code: 'not-allowed', detail: 'this token may not read that scope' })];
    this.#scopes ??= new Set();
    if (this.#scopes.size >= MAX_SCOPES) return [errorFrame({ code: 'invalid', detail: `at most ${MAX_SCOPES} scopes` })];
    this.#scopes.add(scope);
    return this.#renew('retire');
  }

  #register(args: Extract<EventsMessage, { type: 'register' }>['args']): readonly Out[] {
    const content = args['filter-content'];
    const filterType = args['filter-type'] ?? 'jfilter';
    if (filterType !== 'jfilter') return [errorFrame({ code: 'invalid', detail: 'the only filter-type is jfilter' })];
    // The oldest Java client sends no id.
    const name = nameOf(args['filter-id'] ?? content);
    if (name.length > MAX_ID_CHARACTERS + 2) {
      return [errorFrame({ code: 'invalid', detail: `a filter-id has at most ${MAX_ID_CHARACTERS} characters` })];
    }
    const compiled = compileJfilter(content, { tenant: this.#principal.tenant });
    if (!compiled.ok) return [errorFrame(compiled.failure)];
    const known = this.#filters.get(name);
    if (known === undefined && this.#filters.size >= MAX_FILTERS) {
      return [errorFrame({ code: 'invalid', detail: `at most ${MAX_FILTERS} filters` })];
    }
    const registered: Registered = { filter: compiled.value, subscription: '', shows: known?.shows ?? '' };
    if (known !== undefined && this.#showsOf(registered) === known.shows) return [];
    this.#filters.set(name, registered);
    if (this.#group !== undefined) return this.#showInGroup();
    const effects = this.#watch(registered);
    return known === undefined ? effects : [...effects, ...this.#retire([{ name, subscription: known.subscription }])];
  }

  #unregister(name: string): readonly Out[] {
    const known = this.#filters.get(name);
    if (known === undefined) return [];
    this.#filters.delete(name);
    if (this.#group !== undefined) return this.#showInGroup();
    return [{ do: 'unsubscribe', id: known.subscription }, ...this.#endRetired((replaced) => replaced.name === name)];
  }

  #authenticated(outcome: Extract<Input<never>, { kind: 'authenticated' }>['outcome'], at: number): readonly Out[] {
    if (!outcome.ok) {
      // A verifier that cannot answer says nothing about the token.
      return outcome.failure.code === 'unauthenticated' ? this.#refuse(undefined) : [];
    }
    this.#principal = outcome.value;
    for (const scope of this.#scopes ?? []) if (!mayUseScope(this.#principal, scope)) this.#scopes?.delete(scope);
    // Fewer rights take effect at once: what is still queued under the old ones is not sent.
    return [this.#expiryTimer(at), ...this.#renew('at-once')];
  }

  /** Makes every subscription show what it should show now. */
  #renew(old: 'retire' | 'at-once'): readonly Out[] {
    if (this.#group !== undefined) return this.#showInGroup();
    const effects: Out[] = [];
    const replaced: Replaced[] = [];
    for (const [name, registered] of this.#filters) {
      if (this.#showsOf(registered) === registered.shows) continue;
      replaced.push({ name, subscription: registered.subscription });
      effects.push(...this.#watch(registered));
    }
    if (replaced.length === 0) return [];
    if (old === 'retire') return [...effects, ...this.#retire(replaced)];
    return [...effects, ...replaced.map(unsubscribe), ...this.#endRetired(() => true)];
  }

  #watch(registered: Registered): readonly Out[] {
    registered.subscription = this.#newName('filter');
    registered.shows = this.#showsOf(registered);
    return [{ do: 'subscribe', id: registered.subscription, to: { tenant: this.#principal.tenant }, view: this.#viewOf(registered) }];
  }

  #viewOf({ filter }: Registered): View {
    const visible = visibleEventsFor(this.#principal, { all: this.#wishes.allScopes, subscribed: this.#scopes ?? NONE });
    return { filter: { all: [visible, filter] }, shape: this.#wishes.delta ? 'delta' : 'full' };
  }

  #showsOf(registered: Registered): string {
    return `${this.#principal.tenant} ${key(this.#viewOf(registered).filter)}`;
  }

  /**
   * Brings the membership in line with the filters. A socket without one is no member: it would swallow events of others. One that has just got
   * its first waits a moment, since clients register several and missed events are shown to those that are there when it begins.
   */
  #showInGroup(): readonly Out[] {
    if (this.#filters.size === 0) {
      const was = this.#membership;
      this.#membership = 'none';
      if (was === 'member') return [{ do: 'unsubscribe', id: GROUP }];
      return was === 'settling' ? [{ do: 'clear-timer', name: GROUP }] : [];
    }
    if (this.#membership === 'member') return this.#join();
    if (this.#membership === 'settling') return [];
    this.#membership = 'settling';
    return [{ do: 'set-timer', name: GROUP, ms: JOIN_SETTLE_MS }];
  }

  #becomeMember(): readonly Out[] {
    if (this.#membership !== 'settling') return [];
    this.#membership = 'member';
    return this.#join();
  }

  #join(): readonly Out[] {
    if (this.#group === undefined) return [];
    const { name, start } = this.#group;
    const visible = visibleEventsFor(this.#principal, { all: this.#wishes.allScopes, subscribed: this.#scopes ?? NONE });
    const filter: Filter = { all: [visible, { any: [...this.#filters.values()].map((registered) => registered.filter) }] };
    const group = { tenant: this.#principal.tenant, name, start };
    return [{ do: 'join', id: GROUP, group, view: { filter, shape: this.#wishes.delta ? 'delta' : 'full' } }];
  }

  /** The position is safe, or its loss has to be told: in both cases the client has to come back. */
  #lostMembership(failure: Failure): readonly Out[] {
    const closed = this.#close(CLOSE.overload, closeReason(failure.detail ?? 'the group is not served here any more, connect again'));
    return failure.code === 'limited' || failure.code === 'lost' ? [errorFrame(failure), ...closed] : closed;
  }

  /** Ends subscriptions once the frames they have queued are with the client; until then the broadcaster sends a change that both see once. */
  #retire(replaced: readonly Replaced[]): readonly Out[] {
    this.#retiring ??= new Map();
    if (this.#retiring.size >= MAX_RETIRING) return replaced.map(unsubscribe);
    const id = this.#newName('retire');
    this.#retiring.set(id, replaced);
    return [
      { do: 'confirm', id },
      { do: 'set-timer', name: 'retire', ms: RETIRE_MS },
    ];
  }

  #endRetired(ends: (replaced: Replaced, confirmation: string) => boolean): readonly Out[] {
    const effects: Out[] = [];
    for (const [id, replaced] of this.#retiring ?? []) {
      const left = replaced.filter((one) => !ends(one, id));
      if (left.length === replaced.length) continue;
      effects.push(...replaced.filter((one) => !left.includes(one)).map(unsubscribe));
      if (left.length === 0) this.#retiring?.delete(id);
      else this.#retiring?.set(id, left);
    }
    return effects;
  }

  #checkExpiry(at: number): readonly Out[] {
    return at > this.#principal.expiresAt + this.#settings.tokenGraceMs ? this.#refuse(TOKEN_EXPIRED) : [this.#expiryTimer(at)];
  }

  #expiryTimer(at: number): Out {
    return expiryTimer(this.#principal.expiresAt + this.#settings.tokenGraceMs + 1 - at);
  }

  /** The Python and Java clients look at the frame, the Elixir client at the close code. */
  #refuse(detail: string | undefined): readonly Out[] {
    const error = toError({ code: 'unauthenticated', ...(detail === undefined ? {} : { detail }) });
    return [{ do: 'send', frame: error }, ...this.#close(CLOSE.refused, closeReason(error.error.message))];
  }

  #close(code: number, reason: string): readonly Out[] {
    this.#closed = true;
    return [{ do: 'close', code, reason }];
  }

  #newName(what: string): string {
    this.#count += 1;
    return `${what}:${this.#count}`;
  }
}

export function openEvents(opening: Opening, settings: EventsSettings): readonly [Session<EventsFrame, Event | HiroError>, readonly Out[]] {
  return openOrRefuse<EventsFrame, Event | HiroError>(opening, (principal) => {
    const group = groupOf(opening.query);
    const session = new EventsSession(principal, wishesOf(opening.query), settings, group);
    if (group !== undefined && (group.name.length > MAX_GROUP_NAME || group.name.includes('\0'))) {
      const detail = group.name.includes('\0') ? 'a groupId has no NUL' : `a groupId has at most ${MAX_GROUP_NAME} characters`;
      return [session, [errorFrame({ code: 'invalid', detail }), { do: 'close', code: CLOSE.notText, reason: closeReason(detail) }]];
    }
    if (group?.name.startsWith(INTERNAL_GROUPS) === true) {
      const failure: Failure = { code: 'not-allowed', detail: `groups whose names begin with ${INTERNAL_GROUPS} are the system's own` };
      return [session, [errorFrame(failure), { do: 'close', code: CLOSE.notText, reason: closeReason('groupId is reserved') }]];
    }
    return [session, [expiryTimer(principal.expiresAt + settings.tokenGraceMs + 1 - opening.at)]];
  });
}

const unsubscribe = ({ subscription }: Replaced): Out => ({ do: 'unsubscribe', id: subscription });

const errorFrame = (failure: Failure): Out => ({ do: 'send', frame: toError(failure) });

/** Filter ids are compared deeply: one generation of the JavaScript client sent objects. They came out of `JSON.parse`. */
const nameOf = (id: unknown): string => canonicalJson((id ?? null) as Json);

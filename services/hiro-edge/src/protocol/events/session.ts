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
import { compileJfilter, costOf } from '../jfilter/jfilter.ts';
import { expiryTimer, openOrRefuse } from '../opening.ts';
import type { EventsFrame } from './codec.ts';

export interface EventsSettings {
  /** How long a token is accepted after its expiry. */
  readonly tokenGraceMs: number;
}

/** Maximum filters of one socket, and scopes it may subscribe to. */
const MAX_FILTERS = 1000;
const MAX_SCOPES = 1000;
/** Maximum cost of all filters of one socket together (`costOf`): every change of the tenant may be compared with all of them. */
const MAX_FILTER_COST = 5000;
/** Shared by most sockets, which never subscribe to scopes: memory per connection matters. */
const NONE: ReadonlySet<string> = new Set();
/** A replaced subscription ends when its last frames have reached the client, at the latest after this time. */
const RETIRE_MS = 2000;
const MAX_RETIRING = 4;
/** Subscriptions per socket that the driver must allow: every filter, and replaced ones that still have frames in flight. */
export const MAX_SUBSCRIPTIONS = MAX_FILTERS * (1 + MAX_RETIRING);

type EventsEffect = Effect<Event | HiroError>;

/** Options in the query of the upgrade. Only the exact text `true` is true (hiro-python-library, glitches). */
export interface Wishes {
  readonly delta: boolean;
  readonly allScopes: boolean;
}

function wishesOf(query: Readonly<Record<string, string>>): Wishes {
  return { delta: query.delta === 'true', allScopes: (query.allscopes ?? '') === '' || query.allscopes === 'true' };
}

/** The group that a socket requests; `smallest` and `largest` apply only to a group without a position. */
interface GroupWish {
  readonly name: string;
  readonly start: 'smallest' | 'largest';
}

/** Absent and empty mean no group; an invalid offset means `largest`, so that the upgrade never fails because of it. */
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
  /** Equal keys match the same. */
  readonly key: string;
  readonly cost: number;
  /** The subscription that serves it, and the rights (`#rights`) with which it began. */
  subscription: string;
  rights: string;
}

/** What a principal may see of all events; equal keys let the same be seen. */
interface Rights {
  readonly visible: Filter;
  readonly key: string;
}

/** The id of the membership, and of the timer that waits for further filters before joining, and between changes of the view. */
const GROUP = 'group';
const JOIN_SETTLE_MS = 25;
/** A member's view consists of all its filters, so a change of one costs as much as all: the next change waits longer for larger views. */
const SETTLE_MS_PER_COST = 0.1;

/**
 * One session on events-ws. Requests are never acknowledged, because the JavaScript client takes every frame for an event. Without a group,
 * the client receives live events only: each filter is a subscription of its own, and the broadcaster sends a change once, however many of
 * them match. With a group, the socket is a member as long as it has filters, and all of them together form one view.
 */
class EventsSession implements Session<EventsFrame, Event | HiroError> {
  readonly #settings: EventsSettings;
  readonly #wishes: Wishes;
  readonly #group: GroupWish | undefined;
  /** `changed`: a member whose view changed a moment ago; `stale`: and its filters have changed since. */
  #membership: 'none' | 'settling' | 'member' | 'changed' | 'stale' = 'none';
  #principal: Principal;
  #scopes: Set<string> | undefined;
  /** By canonical filter-id: ids may be any JSON value. */
  readonly #filters = new Map<string, Registered>();
  /** The cost of all of them. */
  #cost = 0;
  /** The key of the rights in the group's view. */
  #shown = '';
  /** Replaced subscriptions that still have frames in flight, each with its filter, by the confirmation that ends them. */
  #retiring: Map<string, readonly Replaced[]> | undefined;
  #count = 0;
  #closed = false;

  constructor(principal: Principal, wishes: Wishes, settings: EventsSettings, group?: GroupWish) {
    this.#principal = principal;
    this.#wishes = wishes;
    this.#group = group;
    this.#settings = settings;
  }

  handle(input: Input<EventsFrame>, at: number): readonly EventsEffect[] {
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
        return input.name === GROUP ? this.#settled() : this.#endRetired(() => true);
      case 'confirmed':
        return this.#endRetired((_, id) => id === input.id);
      case 'revoked':
        return this.#refuse(TOKEN_REVOKED);
      case 'lost':
        if (this.#group !== undefined) return this.#lostMembership(input.failure);
        // Without a group there is no position to continue from, so the client must learn that events are missing.
        return this.#close(CLOSE.overload, 'events were lost, connect again');
      case 'drain':
        return this.#close(CLOSE.goingAway, 'going away');
      case 'reply':
      case 'written':
      case 'event':
      case 'message':
      case 'subscribed':
        return []; // the broadcaster sends events
    }
  }

  #receive(frame: EventsFrame): readonly EventsEffect[] {
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
        this.#cost = 0;
        return this.#showInGroup('soon');
      case 'nothing':
        return [];
      case 'binary':
        return this.#close(CLOSE.notText, 'text frames only');
    }
  }

  /** Subscribes to a further scope. The Elixir client sends `null` if none is configured: the default scope stays. */
  #subscribe(scope: string | undefined): readonly EventsEffect[] {
    if (scope === undefined || scope === '' || this.#wishes.allScopes || this.#scopes?.has(scope) === true) return [];
    // The Java client reconnects on any error frame: only for real denials.
    if (!mayUseScope(this.#principal, scope)) return [errorFrame({ code: 'not-allowed', detail: 'this token may not read that scope' })];
    this.#scopes ??= new Set();
    if (this.#scopes.size >= MAX_SCOPES) return [errorFrame({ code: 'invalid', detail: `at most ${MAX_SCOPES} scopes` })];
    this.#scopes.add(scope);
    return this.#renew('retire');
  }

  #register(args: Extract<EventsMessage, { type: 'register' }>['args']): readonly EventsEffect[] {
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
    const filter = compiled.value;
    const registered: Registered = { filter, key: key(filter), cost: costOf(filter), subscription: '', rights: '' };
    if (registered.key === known?.key) return [];
    const cost = this.#cost - (known?.cost ?? 0) + registered.cost;
    if (cost > MAX_FILTER_COST) {
      const detail = `the filters of a socket have at most ${MAX_FILTER_COST} conditions together; one with a wildcard or "~=" counts as four`;
      return [errorFrame({ code: 'invalid', detail })];
    }
    this.#cost = cost;
    this.#filters.set(name, registered);
    if (this.#group !== undefined) return this.#showInGroup('soon');
    const effects = this.#watch(registered, this.#rights());
    return known === undefined ? effects : [...effects, ...this.#retire([{ name, subscription: known.subscription }])];
  }

  #unregister(name: string): readonly EventsEffect[] {
    const known = this.#filters.get(name);
    if (known === undefined) return [];
    this.#filters.delete(name);
    this.#cost -= known.cost;
    if (this.#group !== undefined) return this.#showInGroup('soon');
    return [{ do: 'unsubscribe', id: known.subscription }, ...this.#endRetired((replaced) => replaced.name === name)];
  }

  #authenticated(outcome: Extract<Input<never>, { kind: 'authenticated' }>['outcome'], at: number): readonly EventsEffect[] {
    if (!outcome.ok) {
      // An unavailable verifier says nothing about the token.
      return outcome.failure.code === 'unauthenticated' ? this.#refuse(undefined) : [];
    }
    this.#principal = outcome.value;
    for (const scope of this.#scopes ?? []) if (!mayUseScope(this.#principal, scope)) this.#scopes?.delete(scope);
    // Reduced rights take effect at once: frames queued under the old ones are not sent.
    return [this.#expiryTimer(at), ...this.#renew('at-once')];
  }

  /** Updates every subscription to the current filters and rights. */
  #renew(old: 'retire' | 'at-once'): readonly EventsEffect[] {
    if (this.#group !== undefined) return this.#showInGroup(old === 'retire' ? 'soon' : 'at-once');
    const rights = this.#rights();
    const effects: EventsEffect[] = [];
    const replaced: Replaced[] = [];
    for (const [name, registered] of this.#filters) {
      if (registered.rights === rights.key) continue;
      replaced.push({ name, subscription: registered.subscription });
      effects.push(...this.#watch(registered, rights));
    }
    if (replaced.length === 0) return [];
    if (old === 'retire') return [...effects, ...this.#retire(replaced)];
    return [...effects, ...replaced.map(unsubscribe), ...this.#endRetired(() => true)];
  }

  #watch(registered: Registered, { key: rights, visible }: Rights): readonly EventsEffect[] {
    registered.subscription = this.#newName('filter');
    registered.rights = rights;
    const view: View = { filter: { all: [visible, registered.filter] }, shape: this.#wishes.delta ? 'delta' : 'full' };
    return [{ do: 'subscribe', id: registered.subscription, to: { tenant: this.#principal.tenant }, view }];
  }

  #rights(): Rights {
    const visible = visibleEventsFor(this.#principal, { all: this.#wishes.allScopes, subscribed: this.#scopes ?? NONE });
    return { visible, key: `${this.#principal.tenant} ${key(visible)}` };
  }

  /**
   * Updates the membership to the filters. A socket without filters is not a member, because it would consume events that others should
   * get. Joining waits a moment after the first filter, since clients register several, and missed events are delivered according to the
   * filters at the time of joining. Later changes take effect at once, unless there was one a moment before; reduced rights always do.
   */
  #showInGroup(when: 'soon' | 'at-once'): readonly EventsEffect[] {
    if (this.#filters.size === 0) {
      const was = this.#membership;
      this.#membership = 'none';
      const effects: EventsEffect[] = was === 'none' || was === 'settling' ? [] : [{ do: 'unsubscribe', id: GROUP }];
      return was === 'none' || was === 'member' ? effects : [...effects, { do: 'clear-timer', name: GROUP }];
    }
    switch (this.#membership) {
      case 'none':
        this.#membership = 'settling';
        return [{ do: 'set-timer', name: GROUP, ms: JOIN_SETTLE_MS }];
      case 'settling':
        return [];
      case 'member':
        return this.#changeView();
      case 'changed':
      case 'stale':
        if (when === 'at-once' && this.#rights().key !== this.#shown) return this.#changeView();
        this.#membership = 'stale';
        return [];
    }
  }

  #settled(): readonly EventsEffect[] {
    if (this.#membership === 'stale') return this.#changeView();
    if (this.#membership === 'none') return [];
    const joins = this.#membership === 'settling';
    this.#membership = 'member';
    return joins ? this.#join() : [];
  }

  #changeView(): readonly EventsEffect[] {
    this.#membership = 'changed';
    return [...this.#join(), { do: 'set-timer', name: GROUP, ms: JOIN_SETTLE_MS + Math.ceil(this.#cost * SETTLE_MS_PER_COST) }];
  }

  #join(): readonly EventsEffect[] {
    if (this.#group === undefined) return [];
    const { name, start } = this.#group;
    const { visible, key: rights } = this.#rights();
    this.#shown = rights;
    const filter: Filter = { all: [visible, { any: [...this.#filters.values()].map((registered) => registered.filter) }] };
    const group = { tenant: this.#principal.tenant, name, start };
    return [{ do: 'join', id: GROUP, group, view: { filter, shape: this.#wishes.delta ? 'delta' : 'full' } }];
  }

  /** Either the position is stored, or its loss must be reported: in both cases the client must reconnect. */
  #lostMembership(failure: Failure): readonly EventsEffect[] {
    const closed = this.#close(CLOSE.overload, closeReason(failure.detail ?? 'the group is not served here any more, connect again'));
    return failure.code === 'limited' || failure.code === 'lost' ? [errorFrame(failure), ...closed] : closed;
  }

  /**
   * Ends subscriptions once their queued frames have reached the client; until then the broadcaster deduplicates changes that both show.
   */
  #retire(replaced: readonly Replaced[]): readonly EventsEffect[] {
    this.#retiring ??= new Map();
    if (this.#retiring.size >= MAX_RETIRING) return replaced.map(unsubscribe);
    const id = this.#newName('retire');
    this.#retiring.set(id, replaced);
    return [
      { do: 'confirm', id },
      { do: 'set-timer', name: 'retire', ms: RETIRE_MS },
    ];
  }

  #endRetired(ends: (replaced: Replaced, confirmation: string) => boolean): readonly EventsEffect[] {
    const effects: EventsEffect[] = [];
    for (const [id, replaced] of this.#retiring ?? []) {
      const left = replaced.filter((one) => !ends(one, id));
      if (left.length === replaced.length) continue;
      effects.push(...replaced.filter((one) => !left.includes(one)).map(unsubscribe));
      if (left.length === 0) this.#retiring?.delete(id);
      else this.#retiring?.set(id, left);
    }
    return effects;
  }

  #checkExpiry(at: number): readonly EventsEffect[] {
    return at > this.#principal.expiresAt + this.#settings.tokenGraceMs ? this.#refuse(TOKEN_EXPIRED) : [this.#expiryTimer(at)];
  }

  #expiryTimer(at: number): EventsEffect {
    return expiryTimer(this.#principal.expiresAt + this.#settings.tokenGraceMs + 1 - at);
  }

  /** The Python and Java clients react to the frame, the Elixir client to the close code. */
  #refuse(detail: string | undefined): readonly EventsEffect[] {
    const error = toError({ code: 'unauthenticated', ...(detail === undefined ? {} : { detail }) });
    return [{ do: 'send', frame: error }, ...this.#close(CLOSE.refused, closeReason(error.error.message))];
  }

  #close(code: number, reason: string): readonly EventsEffect[] {
    this.#closed = true;
    return [{ do: 'close', code, reason }];
  }

  #newName(what: string): string {
    this.#count += 1;
    return `${what}:${this.#count}`;
  }
}

export function openEvents(
  opening: Opening,
  settings: EventsSettings,
): readonly [Session<EventsFrame, Event | HiroError>, readonly EventsEffect[]] {
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

const unsubscribe = ({ subscription }: Replaced): EventsEffect => ({ do: 'unsubscribe', id: subscription });

const errorFrame = (failure: Failure): EventsEffect => ({ do: 'send', frame: toError(failure) });

/** Filter ids are compared deeply, because one generation of the JavaScript client sent objects. They are parsed JSON. */
const nameOf = (id: unknown): string => canonicalJson((id ?? null) as Json);

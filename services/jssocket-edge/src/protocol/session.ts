/**
 * One connection of JSSocket: a core, a publisher, a client, or several of them at once. Behaviour: jssocket.py at 2198bac38, and at
 * 842cd7b0b where the secret is in `server_connect`. Messages to connections of this or another edge go over the bus.
 *
 * A core that receives a close frame never reconnects (websocket-client 1.7.0), so connections with the secret are dropped, never closed.
 */
import {
  type JssocketCores,
  type JssocketMessage,
  jssocketAsked,
  jssocketCores,
  jssocketNotifiedAll,
  jssocketNotifiedGroup,
  jssocketTold,
} from '@polyedge/contracts/bus/jssocket';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import type { Envelope, Outgoing } from './codec.ts';
import { connectionId, edgeOf } from './connection-id.ts';
import { CoreNews } from './core-news.ts';
import { DeliveryBarrier } from './delivery-barrier.ts';
import { GroupLookup, type PendingLookup } from './group-lookup.ts';
import type { JsonSource } from './json-source.ts';
import { Login, type LoginStep } from './login.ts';
import { Recheck } from './recheck.ts';
import type { JssocketSettings } from './session-settings.ts';
import {
  callbackInside,
  close,
  DROP,
  type Effects,
  frames,
  GOODBYE,
  loginData,
  membersOf,
  messages,
  type Notification,
  PUBLIC,
  payloadOf,
  readConfirmation,
  readNotification,
  secretOf,
} from './translate.ts';

/** Time-out of another edge's answer about the group of its client. */
const QUESTION_MS = 1000;

export function openJssocket(opening: Opening, settings: JssocketSettings): readonly [JssocketSession, Effects] {
  return [new JssocketSession(opening, settings), [{ do: 'set-timer', name: 'ping', ms: settings.pingIntervalMs }]];
}

class JssocketSession implements Session<Envelope, Outgoing> {
  readonly #id: string;
  readonly #settings: JssocketSettings;
  readonly #bus: ReturnType<typeof messages>;
  readonly #login: Login;
  /** Authenticated by the secret. */
  #trusted: boolean;
  /** A core: receives logins. */
  #registered = false;
  /** Has sent `client_connect`: can be found by its id and receives `notify_all`. */
  #client = false;
  #group: string | undefined;
  readonly #recheck: Recheck;
  /** Listens for messages to its id. */
  #listening = false;
  /** Listens for cores that connect and disconnect, while a login is pending. */
  readonly #cores: CoreNews;
  readonly #barrier: DeliveryBarrier;
  /** The session is ending. */
  #ending = false;
  readonly #lookup = new GroupLookup();

  constructor(opening: Opening, settings: JssocketSettings) {
    this.#id = connectionId(settings.tag, opening.nonce);
    this.#settings = settings;
    this.#bus = messages(settings.tenant);
    this.#login = new Login(settings.rotation);
    this.#cores = new CoreNews(settings.tenant);
    this.#recheck = new Recheck(settings.recheckMs);
    this.#trusted = settings.trusted;
    this.#barrier = new DeliveryBarrier((marker) => [...this.#listen(), ...this.#bus.sendTo(this.#id, { kind: 'marker', marker })]);
  }

  handle(input: Input<Envelope>, at: number): Effects {
    switch (input.kind) {
      case 'frame':
        return this.#event(input.frame, at);
      case 'undecodable':
        return this.#wrong(input.problem);
      case 'authenticated':
        return [...this.#checked(input.outcome.ok), ...this.#barrier.readOn()];
      case 'message':
        return this.#onBusMessage(input.id, input.body, at);
      case 'confirmed':
        return [
          { do: 'clear-timer', name: 'pong' },
          { do: 'set-timer', name: 'ping', ms: this.#settings.pingIntervalMs },
        ];
      case 'timer':
        return this.#due(input.name, at);
      case 'drain':
        return this.#end(this.#trusted ? DROP : close(1001, 'going away'));
      case 'lost':
        // The group has as many connections here as the policy allows.
        return input.id === 'group' ? this.#end(close(1013, 'too many connections of this user')) : [];
      // The session makes no requests or writes, watches nothing and has no account.
      case 'reply':
      case 'written':
      case 'event':
      case 'subscribed':
      case 'revoked':
        return [];
    }
  }

  #event({ type, data }: Envelope, at: number): Effects {
    switch (type) {
      case 'server_connect':
        return this.#serverConnect(data);
      case 'client_connect':
        return this.#clientConnect(data, at);
      case 'client_connected':
        return this.#trusted ? this.#clientConnected(data) : this.#denied();
      case 'client_disconnect':
        return this.#end(GOODBYE);
      case 'notify_client':
      case 'notify_group':
        return this.#notify(type, data, at);
      case 'notify_all':
        if (!this.#trusted) return this.#denied();
        this.#barrier.sent();
        return this.#bus.all(payloadOf(data));
      default:
        return [];
    }
  }

  /** A mistake of a client closes it; one of a core or publisher is only logged, since it would not reconnect after a close. */
  #wrong(problem: string): Effects {
    if (!this.#trusted) return this.#end(close(1011, problem));
    this.#settings.counts.ignored += 1;
    this.#settings.note(problem, this.#id);
    return [];
  }

  /** Ends the session after everything that was sent before has arrived. */
  #end(end: Effects): Effects {
    if (this.#ending) return [];
    this.#ending = true;
    return this.#barrier.settled(() => end, this.#lookup.pending);
  }

  #denied(): Effects {
    this.#settings.counts.denied += 1;
    return [];
  }

  // ---- cores

  #serverConnect(data: JsonSource | undefined): Effects {
    if (this.#trusted) return this.#checked(true);
    const secret = secretOf(data);
    if (secret === undefined) return this.#checked(false);
    // Later messages of this connection may depend on the outcome.
    return [{ do: 'pause' }, { do: 'authenticate', id: 'secret', credential: secret, adopt: false }];
  }

  #checked(accepted: boolean): Effects {
    if (!accepted) return this.#end([frames.serverConnected(false), ...GOODBYE]);
    this.#trusted = true;
    const registers = !this.#registered;
    this.#registered = true;
    const { tenant, tag } = this.#settings;
    const subject = jssocketAsked.subject({ tenant, edge: tag, core: this.#id });
    return this.#barrier.settled(() => [
      ...(registers ? [{ do: 'listen', id: 'asked', subject } as const] : []),
      frames.serverConnected(true),
    ]);
  }

  #clientConnected(data: JsonSource | undefined): Effects {
    const read = readConfirmation(data);
    if (!read.ok) return this.#wrong(read.problem);
    const { target, group, problem, data: shown } = read.value;
    if (problem !== undefined) this.#settings.note(problem, this.#id);
    return target === undefined ? [] : this.#bus.sendTo(target, { kind: 'confirmed', by: this.#id, group, data: shown });
  }

  // ---- clients

  #clientConnect(data: JsonSource | undefined, at: number): Effects {
    const subject = jssocketNotifiedAll.subject({ tenant: this.#settings.tenant });
    const entering: Effects = this.#client ? [] : [...this.#listen(), { do: 'listen', id: 'all', subject }];
    this.#client = true;
    const members = membersOf(data);
    if (!members.ok) return [...entering, ...this.#wrong(members.problem)];
    const login = loginData(members.value, this.#id);
    this.#recheck.remember(login);
    return [...entering, ...this.#advance(this.#login.begin(login, at))];
  }

  /** Performs the next step of the login. While it is pending, this connection listens for cores that connect and disconnect. */
  #advance(step: LoginStep): Effects {
    const { counts } = this.#settings;
    if (step.kind === 'give-up') {
      counts.abandoned += 1;
      // A client that is logged in stays so if no core answers.
      return [...this.#cores.end(), ...(this.#group === undefined ? [] : this.#recheck.wait())];
    }
    const effects: Effect<Outgoing>[] = [{ do: 'set-timer', name: 'login', ms: step.lookMs }, ...this.#cores.begin()];
    if (step.kind === 'request') {
      counts.asked += 1;
      effects.push(...this.#bus.logIn(step.core, this.#id, step.data));
    }
    return effects;
  }

  #notify(type: 'notify_client' | 'notify_group', data: JsonSource | undefined, at: number): Effects {
    const { policy } = this.#settings;
    const may = this.#trusted || (this.#group !== undefined && (policy.publicMayNotify || this.#group !== PUBLIC));
    if (!may && !policy.callbackOnDenial) return this.#denied();
    const read = readNotification(data);
    if (!may) return read.ok ? [...this.#denied(), ...this.#callback(read.value.callback)] : this.#denied();
    if (!read.ok) return this.#wrong(read.problem);
    if (type === 'notify_group') return this.#notifyGroup(read.value, at);
    const { target, payload, callback } = read.value;
    const name = target.kind === 'default' ? this.#id : target.kind === 'named' ? target.name : '';
    const within = this.#within();
    this.#barrier.sent();
    return [
      ...this.#bus.sendTo(name, { kind: 'notified', payload, ...(within === undefined ? {} : { within }) }),
      ...this.#callback(callback),
    ];
  }

  /** The only group that this connection may reach, or undefined for any. */
  #within(): string | undefined {
    return this.#settings.policy.onlyOwnGroup && !this.#trusted ? this.#group : undefined;
  }

  /** No target is `public`; the id of a client is that client's group; anything else is a group's name. */
  #notifyGroup(notification: Notification, at: number): Effects {
    const { target } = notification;
    if (target.kind === 'default') return this.#toGroup(PUBLIC, notification);
    if (target.kind === 'nobody') return this.#toGroup(undefined, notification);
    const { name } = target;
    if (this.#client && name === this.#id) return this.#toGroup(this.#group, notification);
    const edge = edgeOf(name);
    if (edge === undefined || !this.#settings.rotation.has(edge, at)) return this.#toGroup(name, notification);
    const question = this.#lookup.begin(name, notification);
    // Nothing that this connection sends may overtake it.
    return [
      { do: 'pause' },
      ...this.#listen(),
      ...this.#bus.sendTo(name, { kind: 'group-asked', question, by: this.#id }),
      { do: 'set-timer', name: 'question', ms: QUESTION_MS },
    ];
  }

  #toGroup(group: string | undefined, { payload, callback }: Notification): Effects {
    const within = this.#within();
    const allowed = within === undefined || within === group;
    this.#barrier.sent();
    return [
      ...(group === undefined || !allowed ? [] : this.#bus.group(group, payload)),
      ...this.#callback(callback ?? callbackInside(payload)),
    ];
  }

  /** A callback must arrive after everything sent before it, so it takes the same route. */
  #callback(data: string | undefined): Effects {
    if (data === undefined) return [];
    this.#barrier.sent();
    return [...this.#listen(), ...this.#bus.sendTo(this.#id, { kind: 'callback', data })];
  }

  /** Makes this connection receive messages to its id. */
  #listen(): Effects {
    if (this.#listening) return [];
    this.#listening = true;
    const { tenant, tag } = this.#settings;
    return [{ do: 'listen', id: 'self', subject: jssocketTold.subject({ tenant, edge: tag, connection: this.#id }) }];
  }

  // ---- messages from the bus

  #onBusMessage(id: string, body: unknown, at: number): Effects {
    switch (id) {
      case 'all':
        return jssocketNotifiedAll.body.test(body) ? [frames.payload(body.payload)] : [];
      case 'group':
        return jssocketNotifiedGroup.body.test(body) && body.group === this.#group ? [frames.payload(body.payload)] : [];
      case 'asked':
        return jssocketAsked.body.test(body) ? [frames.login(body.data)] : [];
      case 'cores':
        return jssocketCores.body.test(body) ? this.#coresChanged(body, at) : [];
      case 'self':
        return jssocketTold.body.test(body) ? this.#onMessage(body, at) : [];
      default:
        return [];
    }
  }

  #onMessage(body: JssocketMessage, at: number): Effects {
    switch (body.kind) {
      case 'notified':
        return this.#client && (body.within === undefined || body.within === this.#group) ? [frames.payload(body.payload)] : [];
      case 'callback':
        return [frames.callback(body.data)];
      case 'confirmed':
        return this.#confirmed(body, at);
      case 'group-asked': {
        const group = this.#group === undefined ? {} : { group: this.#group };
        return this.#bus.sendTo(body.by, { kind: 'group-known', question: body.question, known: this.#client, ...group });
      }
      case 'group-known':
        return this.#lookedUp(this.#lookup.take(body.question), ({ name }) => (body.known ? body.group : name));
      case 'marker':
        return this.#barrier.came(body.marker);
      case 'core-gone':
        this.#settings.rotation.gone(body.core);
        return this.#login.requestedCore === body.core ? this.#again(at) : [];
    }
  }

  #lookedUp(found: PendingLookup | undefined, groupOf: (lookup: PendingLookup) => string | undefined): Effects {
    if (found === undefined) return [];
    return [{ do: 'clear-timer', name: 'question' }, ...this.#toGroup(groupOf(found), found.notification), ...this.#barrier.released()];
  }

  #confirmed({ by, group, data }: { readonly by: string; readonly group: string; readonly data: string }, at: number): Effects {
    const { rotation, counts, tenant } = this.#settings;
    rotation.answered(by);
    if (!this.#client) return [];
    const changes = group !== this.#group;
    const answer = this.#login.answered(by, changes, at);
    if (answer === 'drop') {
      counts.swallowed += 1;
      return [];
    }
    const effects: Effect<Outgoing>[] = answer === 'final' ? [{ do: 'clear-timer', name: 'login' }, ...this.#cores.end()] : [];
    // Listening again under the same id ends the old group.
    const { maxPerUser, maxPublic } = this.#settings.policy;
    const atMost = group === PUBLIC ? maxPublic : maxPerUser;
    const subject = jssocketNotifiedGroup.subject({ tenant, group });
    if (changes) effects.push({ do: 'listen', id: 'group', subject, ...(atMost === undefined ? {} : { atMost }) });
    this.#group = group;
    // A client receives only news.
    const isNews = changes || !this.#recheck.running;
    return [...effects, ...(answer === 'final' ? this.#recheck.answered() : []), ...(isNews ? [frames.clientConnected(data)] : [])];
  }

  #coresChanged(body: JssocketCores, at: number): Effects {
    if (!this.#login.pending) return [];
    // It may arrive here before the rotation's own subscription receives it; announcing twice is harmless.
    this.#settings.rotation.announce(body, at);
    const { requestedCore } = this.#login;
    if (requestedCore === undefined) return body.cores.length > 0 ? this.#again(at) : [];
    return edgeOf(requestedCore) === body.edge && !body.cores.includes(requestedCore) ? this.#again(at) : [];
  }

  #again(at: number): Effects {
    this.#settings.counts.askedAgain += 1;
    return this.#advance(this.#login.retry(at));
  }

  // ---- time

  #due(name: string, at: number): Effects {
    switch (name) {
      case 'ping':
        return [
          { do: 'confirm', id: 'alive' },
          { do: 'set-timer', name: 'pong', ms: this.#settings.pongTimeoutMs },
        ];
      case 'pong':
        return this.#trusted ? DROP : close(1011, 'keepalive ping timeout');
      case 'login': {
        const before = this.#login.requestedCore;
        const effects = this.#advance(this.#login.look(at));
        if (this.#login.requestedCore !== before) this.#settings.counts.askedAgain += 1;
        return effects;
      }
      // The client's edge does not answer: treated like an unknown client.
      case 'question':
        return this.#lookedUp(this.#lookup.take(), ({ name }) => name);
      case 'marker':
        return this.#barrier.came();
      case 'recheck': {
        const login = this.#ending || this.#login.pending ? undefined : this.#recheck.begin();
        return login === undefined ? [] : this.#advance(this.#login.begin(login, at));
      }
      default:
        return [];
    }
  }
}

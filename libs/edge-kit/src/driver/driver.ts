/** The driver of one edge: opens, sweeps and drains connections, and closes those whose login is revoked. */
import { randomBytes } from 'node:crypto';
import type { Revocation } from '@polyedge/contracts/bus/accounts';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import type { Outcome } from '@polyedge/contracts/errors';
import { MAIN } from '@polyedge/contracts/journal';
import type { Principal } from '@polyedge/contracts/principal';
import { revokes } from '@polyedge/contracts/token-claims';
import type { Bus, Subscriptions } from '@polyedge/service-kit/bus';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { type Log, silentLog } from '@polyedge/service-kit/log';
import type { Opening, Protocol, View } from '@polyedge/session/session';
import { BatchFrames } from '../fanout/batch-frames.ts';
import { Broadcasters } from '../fanout/broadcasters.ts';
import { ChangeCache } from '../fanout/change-cache.ts';
import { FilteredSubscriptions } from '../fanout/filtered-subscriptions.ts';
import { type SharedChannel, SharedSubscriptions } from '../fanout/shared-subscriptions.ts';
import { type Feed, noFeed } from '../feed/watch.ts';
import type { Limits } from '../limits.ts';
import type { ConnectionHost } from '../transport/connection-host.ts';
import { Flusher } from '../transport/outbox.ts';
import type { Framing, Packet, Wire, WireHandler } from '../transport/wire.ts';
import { systemClock, Wheel, WheelTimer } from '../wheel.ts';
import { Connection } from './connection.ts';
import type { ConsumerGroups } from './consumer-groups.ts';
import { type DriverCounts, newDriverCounts } from './counts.ts';
import type { Chance, Environment, SlowClientRule } from './environment.ts';
import { Incidents } from './incidents.ts';

export interface DriverOptions<Raw, In, Out, P extends Packet> {
  readonly protocol: Protocol<Raw, In, Out>;
  /** Provided by the listener; `wsFraming` for WebSockets. */
  readonly framing: Framing<Raw, P>;
  readonly bus: Bus;
  /** Serves the channels that sessions `listen` to; default `bus`. */
  readonly subscriptions?: Subscriptions;
  /** For edges whose sessions watch or change elements. */
  readonly feed?: Feed;
  readonly limits: Limits;
  /** Verifies an access token or another credential of the protocol, for a client with this address. Local, fast, and never rejects. */
  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>>;
  /** Event and signal channels that sessions may `listen` to. */
  readonly sharedChannels?: readonly SharedChannel[];
  /** Groups that sessions may `join`. */
  readonly groups?: ConsumerGroups;
  /** Whether frames to this principal count as delivered once written. Default: no. */
  neverPongs?(principal: Principal): boolean;
  /** Default: close 1013. */
  readonly slowClient?: SlowClientRule;
  /** For requests without a time-out of their own; default 10,000. */
  readonly requestTimeoutMs?: number;
  readonly log?: Log;
  readonly wheel?: Wheel;
  readonly flusher?: Flusher;
  /** Default: the randomness of the process. */
  readonly chance?: Chance;
}

/** Random bytes are drawn from the system in blocks of this size: a call for each id costs more than everything else about an id. */
const RANDOM_POOL_BYTES = 4096;
let unused: Buffer = Buffer.alloc(0);

function bytesFromPool(count: number): Uint8Array {
  if (unused.length < count) unused = randomBytes(Math.max(count, RANDOM_POOL_BYTES));
  const bytes = unused.subarray(0, count);
  unused = unused.subarray(count);
  return bytes;
}

const processChance: Chance = { bytes: bytesFromPool, next: Math.random };

const SLOW_CLIENT: SlowClientRule = { do: 'close', code: 1013, reason: 'too slow' };

export class Driver<Raw, In, Out, P extends Packet> implements ConnectionHost<Raw, P> {
  readonly counts: DriverCounts = newDriverCounts();
  readonly limits: Limits;
  readonly broadcasters: Broadcasters<P>;
  readonly filteredSubscriptions: FilteredSubscriptions;
  readonly #env: Environment<Raw, In, Out, P>;
  readonly #connections = new Set<Connection<Raw, In, Out, P>>();
  readonly #sweepTimer = new WheelTimer(() => this.#sweep());
  #opened = 0;
  #draining = false;
  #whenEmpty: (() => void) | undefined;

  constructor(options: DriverOptions<Raw, In, Out, P>) {
    const { protocol, framing, feed = noFeed, log = silentLog } = options;
    this.limits = options.limits;
    const show = (change: FullChange, view: View): Raw | undefined => {
      try {
        const spliced = protocol.splice?.(change, view);
        if (spliced !== undefined) return spliced;
        const shown = protocol.translate?.(change, view);
        return shown === undefined ? undefined : protocol.encode(shown);
      } catch (error) {
        // A change that cannot be shown must not disconnect every subscriber.
        this.counts.bugs += 1;
        log.error('protocol code failed; the change is not shown', { seq: change.seq, type: 'translate', err: error });
        return undefined;
      }
    };
    const frame = (change: FullChange, view: View): P | undefined => {
      const raw = show(change, view);
      return raw === undefined ? undefined : framing.pack(raw);
    };
    const document = protocol.document?.bind(protocol);
    const cache = new ChangeCache<P>({ frame, ...(document === undefined ? {} : { document }) });
    this.broadcasters = new Broadcasters<P>({
      feed,
      cache,
      journalOf: (tenant) => options.bus.placements?.journalOf(tenant) ?? MAIN,
      changes: (journal) => {
        const bus = busOf(options.bus, journal);
        const timeoutMs = options.requestTimeoutMs ?? 10_000;
        return (request) => bus.request(graphChanges, graphChanges.subject({}), request, { timeoutMs });
      },
    });
    this.filteredSubscriptions = new FilteredSubscriptions(feed, cache);
    const wheel = options.wheel ?? new Wheel(systemClock);
    this.#env = {
      protocol,
      framing,
      bus: options.bus,
      feed,
      broadcasters: this.broadcasters,
      filteredSubscriptions: this.filteredSubscriptions,
      sharedSubscriptions: new SharedSubscriptions(options.subscriptions ?? options.bus, options.sharedChannels ?? []),
      groups: options.groups,
      batchFrames: new BatchFrames({ show, document: document ?? (({ state }) => state) }, framing),
      neverPongs: (principal) => options.neverPongs?.(principal) === true,
      wheel,
      chance: options.chance ?? processChance,
      flusher: options.flusher ?? new Flusher(),
      limits: options.limits,
      requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
      slowClient: options.slowClient ?? SLOW_CLIENT,
      log,
      counts: this.counts,
      incidents: new Incidents(log, wheel.clock),
      verify: (credential, address) => options.verify(credential, address),
    };
  }

  /** Opens a connection; the returned handler receives the events of the wire. */
  open(wire: Wire<P>, opening: Pick<Opening, 'credential' | 'path' | 'query' | 'address' | 'restored'>): WireHandler<Raw> {
    this.#opened += 1;
    this.counts.opened += 1;
    const connection: Connection<Raw, In, Out, P> = new Connection(this.#env, wire, opening, this.#opened, () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#whenEmpty?.();
    });
    this.#connections.add(connection);
    if (!this.#sweepTimer.pending) this.#env.wheel.set(this.#sweepTimer, this.limits.sweepMs);
    if (this.#draining) connection.drain();
    return connection;
  }

  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>> {
    return this.#env.verify(credential, address);
  }

  get wheel(): Wheel {
    return this.#env.wheel;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Gauges for metrics; iterates over all connections. */
  gauges(): { readonly connections: number; readonly inFlight: number; readonly bufferedBytes: number } {
    let inFlight = 0;
    let bufferedBytes = 0;
    for (const connection of this.#connections) {
      inFlight += connection.inFlight;
      bufferedBytes += connection.bufferedBytes;
    }
    return { connections: this.#connections.size, inFlight, bufferedBytes };
  }

  /** All open connections, for reports and administration. */
  *each(): Generator<Pick<Connection<Raw, In, Out, P>, 'number' | 'principal' | 'state' | 'bufferedBytes' | 'hangUp'>> {
    yield* this.#connections;
  }

  /** Delivers the revocation to every session whose principal it concerns. */
  revoke(revocation: Revocation): void {
    this.revokeWhere((principal) => revokes(revocation, principal));
  }

  /** The same for the principals for which `applies` is true. */
  revokeWhere(applies: (principal: Principal) => boolean): void {
    for (const connection of this.#connections) {
      const { principal } = connection;
      if (principal !== undefined && applies(principal)) connection.step({ kind: 'revoked' });
    }
  }

  /**
   * Drains all sessions, spread evenly over `spreadMs` so that their clients do not reconnect all at once. Resolves when the last
   * connection has closed, at the latest after `spreadMs`, `drainMs` and `closeTimeoutMs`. New connections are drained as soon as they
   * open.
   */
  drain(spreadMs = 3000): Promise<void> {
    this.#draining = true;
    const { wheel } = this.#env;
    const waiting = [...this.#connections];
    const perMs = waiting.length / Math.max(1, spreadMs);
    const began = wheel.clock.now();
    let drained = 0;
    const drainNext = new WheelTimer(() => {
      const due = Math.min(waiting.length, Math.floor((wheel.clock.now() - began) * perMs) + 1);
      while (drained < due) {
        waiting[drained]?.drain();
        drained += 1;
      }
      if (drained < waiting.length) wheel.set(drainNext, 20);
    });
    return new Promise((resolve) => {
      const latest = new WheelTimer(() => this.#whenEmpty?.());
      this.#whenEmpty = () => {
        this.#whenEmpty = undefined;
        wheel.clear(latest);
        wheel.clear(drainNext);
        resolve();
      };
      if (this.#connections.size === 0) {
        this.#whenEmpty();
        return;
      }
      wheel.set(latest, spreadMs + this.limits.drainMs + this.limits.closeTimeoutMs);
      wheel.set(drainNext, 0);
    });
  }

  /** Stops the sweep, at the end of the process or of a test. */
  stop(): void {
    this.#env.wheel.clear(this.#sweepTimer);
  }

  #sweep(): void {
    const at = this.#env.wheel.clock.now();
    for (const connection of this.#connections) connection.sweep(at);
    if (this.#connections.size > 0) this.#env.wheel.set(this.#sweepTimer, this.limits.sweepMs);
  }
}

/** A simulated edge process with the real sessions of HIRO, Saga and Good Uncle, and the real driver, feeds and groups. */
import { accountsKeysChanged, type accountsPlacements, accountsRevoked } from '@polyedge/contracts/bus/accounts';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { Driver } from '@polyedge/edge-kit/driver/driver';
import { type PendingWrite, Writes } from '@polyedge/edge-kit/driver/writes';
import { type Feeds, openFeeds } from '@polyedge/edge-kit/feed/feeds';
import { limits } from '@polyedge/edge-kit/limits';
import { type FakePacket, fakeFraming } from '@polyedge/edge-kit/testing/fake-wire';
import { Flusher } from '@polyedge/edge-kit/transport/outbox';
import { Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { RoutedBus } from '@polyedge/service-kit/journal-bus';
import { type Log, silentLog } from '@polyedge/service-kit/log';
import { KnownPlacements } from '@polyedge/service-kit/placements';
import { NatsModelBus } from '@polyedge/simulation/nats-model-bus';
import { goodUncleProtocol } from '../../services/gooduncle-edge/src/protocol/protocol.ts';
import { parseTopics, type Topics } from '../../services/gooduncle-edge/src/protocol/topics.ts';
import { eventsProtocol, graphProtocol } from '../../services/hiro-edge/src/protocol/protocol.ts';
import { Bridge } from './bridges.ts';
import { SimulatedJournalGroups } from './journal-groups.ts';
import { mistakenBus, mistakenFeed, mistakenProtocol } from './mistakes.ts';
import { Process } from './process.ts';
import { SagaSide } from './saga-side.ts';
import { SCOPE, verify } from './settings.ts';
import type { Surroundings } from './surroundings.ts';
import { CountedWatches } from './watches.ts';
import { type Opened, SimulatedWire, type WireClient } from './wire.ts';

export type Api = 'graph' | 'events' | 'gooduncle' | 'saga';

export class EdgeProcess {
  readonly process: Process;
  readonly bus: NatsModelBus;
  readonly groups: SimulatedJournalGroups;
  readonly feed: Feeds;
  readonly #world: Surroundings;
  readonly #hiro: Readonly<Record<'graph' | 'events', Pick<Driver<never, never, never, FakePacket>, 'open'>>>;
  /** By tenant: an edge of Good Uncle serves one tenant. */
  readonly #goodUncle = new Map<string, Pick<Driver<never, never, never, FakePacket>, 'open'>>();
  readonly #newGoodUncle: (tenant: string) => Pick<Driver<never, never, never, FakePacket>, 'open'>;
  readonly #saga: SagaSide;
  readonly #wires = new Set<SimulatedWire>();
  readonly #writes: Writes;
  readonly #bridges: readonly Bridge[];
  readonly #placements: KnownPlacements;
  readonly #watches: CountedWatches;
  /** By tenant: the version of the last move that this process knows of. */
  #movedAt: ReadonlyMap<string, number> = new Map();

  /** @param isBridged whether it runs JSSocket's bridge for each tenant */
  constructor(world: Surroundings, name: string, isBridged: boolean) {
    this.#world = world;
    this.process = new Process(world.time, 'edge', name);
    const { process } = this;
    this.bus = new NatsModelBus(world.nats, process);
    const surroundings = {
      now: process.now,
      random: () => world.chance.next(),
      soon: process.soon,
      after: (ms: number, work: () => void) => process.after(ms, work),
      every: (ms: number, work: () => void) => process.every(ms, work),
    };
    const placements = new KnownPlacements(this.#directory(), surroundings);
    this.#placements = placements;
    const bus = new RoutedBus(mistakenBus(this.bus, world), placements, process.now);
    this.feed = openFeeds({ bus, surroundings, onThrown: (error) => world.judge.wrong(`a watcher threw: ${String(error)}`) });
    this.groups = new SimulatedJournalGroups(world, process, new RoutedBus(this.bus, placements, process.now));
    placements.start();
    const wheel = new Wheel({ now: process.date, wakeAt: (at, work) => process.after(at - process.date(), work) });
    const acknowledged = ({ write, outcome }: { readonly write: PendingWrite; readonly outcome: { readonly ok: boolean } }): void => {
      const [operation] = write.request.operations;
      if (outcome.ok && operation?.op === 'update') world.of(write.tenant).judge.acknowledged(write.id);
    };
    this.#writes = new Writes(bus, wheel, acknowledged, () => world.chance.next());
    this.#watches = new CountedWatches(mistakenFeed(this.feed, world));
    const shared = {
      ...{ bus, wheel, flusher: new Flusher(process.soon, process.now), verify: () => verify() },
      feed: this.#watches,
      limits: limits({ authenticateMs: 0, idleMs: 0, pingIntervalMs: 0 }),
      chance: {
        bytes: (count: number) => Uint8Array.from({ length: count }, () => world.chance.below(256)),
        next: () => world.chance.next(),
      },
      log: logInto(world),
    };
    const sessions = {
      ...{ scope: () => SCOPE, topics: rules, instance: name, redact: true, onDowngrade: 'keep' as const },
      ...{ requestsPerSecond: 1e6, requestBurst: 1e6, maxSubscriptions: 100 },
    };
    this.#hiro = {
      graph: new Driver({
        ...shared,
        framing: fakeFraming,
        protocol: graphProtocol({ maxInFlight: 64, tokenGraceMs: 0, names: 'lenient' }),
      }),
      events: new Driver({ ...shared, framing: fakeFraming, protocol: eventsProtocol({ tokenGraceMs: 0 }), groups: this.groups }),
    };
    this.#newGoodUncle = (tenant) =>
      new Driver({
        ...{ ...shared, framing: fakeFraming, protocol: mistakenProtocol(goodUncleProtocol({ ...sessions, tenant }), world) },
        sharedChannels: [accountsRevoked, accountsKeysChanged],
      });
    this.#saga = new SagaSide(process, shared);
    const bridged = isBridged ? world.tenants : [];
    this.#bridges = bridged.map((tenant) => new Bridge(world.of(tenant), this, shared.feed, wheel));
  }

  /** Connects a client of a tenant. @returns the client's end of the socket, which opens as soon as this process runs */
  connect(
    { api, tenant, query }: { readonly api: Api; readonly tenant: string; readonly query: Readonly<Record<string, string>> },
    client: WireClient,
    opened: (session: Opened) => void,
  ): SimulatedWire {
    const wire = new SimulatedWire(this.#world, this.process, client);
    this.#wires.add(wire);
    this.process.after(1 + this.#world.chance.below(5), () => {
      if (wire.isOver) return;
      if (api === 'saga') {
        this.#saga.open(wire, query, opened);
        return;
      }
      const driver = api === 'gooduncle' ? this.#goodUncleOf(tenant) : this.#hiro[api];
      wire.opened(driver.open(wire, { credential: verify(tenant), path: '/', query, address: 'a' }));
      opened({});
    });
    return wire;
  }

  #goodUncleOf(tenant: string): Pick<Driver<never, never, never, FakePacket>, 'open'> {
    const driver = this.#goodUncle.get(tenant) ?? this.#newGoodUncle(tenant);
    this.#goodUncle.set(tenant, driver);
    return driver;
  }

  /** Sends a write as the edge's own sessions do. */
  write(write: PendingWrite): void {
    this.process.run(() => this.#writes.add(write));
  }

  /** Whether it knows the tenant's journal and last move, so that what it shows of the tenant can be judged. */
  knows({ tenant, journal, directory }: Surroundings): boolean {
    const since = directory.placements.get(tenant)?.since ?? 0;
    return this.#placements.journalOf(tenant) === journal && (this.#movedAt.get(tenant) ?? 0) === since;
  }

  /** The bus for requests to the directory; its answers are recorded. */
  #directory(): Pick<Bus, 'request' | 'subscribe' | 'onStatus'> {
    const { bus } = this;
    return {
      subscribe: (channel, subject, handler) => bus.subscribe(channel, subject, handler),
      onStatus: (listener) => bus.onStatus(listener),
      request: async (channel, subject, body, options) => {
        const reply = await bus.request(channel, subject, body, options);
        if (reply.ok) {
          const { placements } = reply.value as ReplyOf<typeof accountsPlacements>;
          this.#movedAt = new Map(placements.map(({ tenant, since = 0 }) => [tenant, since]));
        }
        return reply;
      },
    };
  }

  /** The number of watches of its sessions and bridges that are not live yet. */
  get pendingWatches(): number {
    return this.#watches.pending;
  }

  /** A notification that its bridges still owe. */
  missing(): string | undefined {
    for (const bridge of this.#bridges) {
      const missing = bridge.missing();
      if (missing !== undefined) return missing;
    }
    return undefined;
  }

  /** Notices the clients that have gone. */
  notice(): void {
    for (const wire of this.#wires) wire.noticed();
  }

  kill(): void {
    this.process.kill();
    this.bus.link.close();
    for (const wire of this.#wires) wire.lost();
  }
}

const topics = parseTopics({ topics: { products: { roles: { anonymous: { read: {}, create: {} } } } } });
const rules = (): Topics => {
  if (!topics.ok) throw new Error(topics.problems.join());
  return topics.value;
};

/** A logged failure of protocol code is a problem. Requests that fail because a server is down are logged too, and are none. */
const logInto = ({ judge }: Surroundings): Log => ({
  ...silentLog,
  error: (sentence, fields) => {
    if (sentence.startsWith('protocol code failed')) judge.wrong(`${sentence}: ${JSON.stringify(fields, errorText)}`);
  },
});

const errorText = (_name: string, value: unknown): unknown => (value instanceof Error ? (value.stack ?? value.message) : value);

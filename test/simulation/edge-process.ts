/** One process of edges: HIRO's two protocols and Good Uncle, on the real driver, feed and groups. */
import { accountsKeysChanged, accountsRevoked } from '@polyedge/contracts/bus/accounts';
import { graphChanges, graphHead } from '@polyedge/contracts/bus/feed';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import { operationId, operationTime } from '@polyedge/contracts/operation-id';
import { Driver } from '@polyedge/edge-kit/driver/driver';
import { type PendingWrite, Writes } from '@polyedge/edge-kit/driver/writes';
import { type LiveFeed, openFeed } from '@polyedge/edge-kit/feed/feed';
import type { Feed, WatchHandler } from '@polyedge/edge-kit/feed/watch';
import { limits } from '@polyedge/edge-kit/limits';
import { type FakePacket, fakeFraming } from '@polyedge/edge-kit/testing/fake-wire';
import { Flusher } from '@polyedge/edge-kit/transport/outbox';
import { Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { type Log, silentLog } from '@polyedge/service-kit/log';
import { NatsModelBus } from '@polyedge/simulation/nats-model-bus';
import { goodUncleProtocol } from '../../services/gooduncle-edge/src/protocol/protocol.ts';
import { parseTopics, type Topics } from '../../services/gooduncle-edge/src/protocol/topics.ts';
import { eventsProtocol, graphProtocol } from '../../services/hiro-edge/src/protocol/protocol.ts';
import { Process } from './process.ts';
import { SagaSide } from './saga-side.ts';
import { SCOPE, TENANT, verify } from './settings.ts';
import { SimulatedGroups } from './simulated-groups.ts';
import type { Surroundings } from './surroundings.ts';
import { SimulatedWire, type WireClient } from './wire.ts';

export type Api = 'graph' | 'events' | 'gooduncle' | 'saga';

/** What a client is told when its socket opens: of a session that it can go on with later, and whether it goes on with one. */
export interface Opened {
  readonly pid?: string;
  readonly recovered?: boolean;
}

export class EdgeProcess {
  readonly process: Process;
  readonly bus: NatsModelBus;
  readonly groups: SimulatedGroups;
  readonly feed: LiveFeed;
  readonly #world: Surroundings;
  readonly #drivers: Readonly<Record<Exclude<Api, 'saga'>, Pick<Driver<never, never, never, FakePacket>, 'open'>>>;
  readonly #saga: SagaSide;
  readonly #wires = new Set<SimulatedWire>();
  readonly #writes: Writes;

  constructor(world: Surroundings, name: string) {
    this.#world = world;
    this.process = new Process(world.time, 'edge', name);
    const { process } = this;
    this.bus = new NatsModelBus(world.nats, process);
    const bus = mistaken(this.bus, world);
    this.feed = openFeed({
      bus,
      surroundings: {
        now: process.now,
        random: () => world.chance.next(),
        soon: process.soon,
        after: (ms, work) => process.after(ms, work),
        every: (ms, work) => process.every(ms, work),
      },
      onThrown: (error) => world.judge.wrong(`a watcher threw: ${String(error)}`),
    });
    this.groups = new SimulatedGroups(world, process, this.bus);
    this.bus.subscribe(graphHead, graphHead.pattern({}), ({ epoch, to }) => this.groups.announced(epoch, to));
    const wheel = new Wheel({ now: process.date, wakeAt: (at, work) => process.after(at - process.date(), work) });
    const acknowledged = ({ write, outcome }: { readonly write: PendingWrite; readonly outcome: { readonly ok: boolean } }): void => {
      const [operation] = write.request.operations;
      if (outcome.ok && operation?.op === 'update') world.judge.acknowledged(write.id);
    };
    this.#writes = new Writes(bus, wheel, acknowledged, () => world.chance.next());
    const shared = {
      ...{ bus, wheel, flusher: new Flusher(process.soon, process.now), verify },
      feed: world.bug === 'dedupe-by-tick' ? forgetful(this.feed, world) : this.feed,
      limits: limits({ authenticateMs: 0, idleMs: 0, pingIntervalMs: 0 }),
      chance: {
        bytes: (count: number) => Uint8Array.from({ length: count }, () => world.chance.below(256)),
        next: () => world.chance.next(),
      },
      log: logInto(world),
    };
    const sessions = {
      ...{ tenant: TENANT, scope: () => SCOPE, topics: rules, instance: name, redact: true, onDowngrade: 'keep' as const },
      ...{ requestsPerSecond: 1e6, requestBurst: 1e6, maxSubscriptions: 100 },
    };
    this.#drivers = {
      graph: new Driver({
        ...shared,
        framing: fakeFraming,
        protocol: graphProtocol({ maxInFlight: 64, tokenGraceMs: 0, names: 'lenient' }),
      }),
      events: new Driver({ ...shared, framing: fakeFraming, protocol: eventsProtocol({ tokenGraceMs: 0 }), groups: this.groups }),
      gooduncle: new Driver({
        ...{ ...shared, framing: fakeFraming, protocol: goodUncleProtocol(sessions) },
        sharedChannels: [accountsRevoked, accountsKeysChanged],
      }),
    };
    this.#saga = new SagaSide(process, shared);
  }

  /** A client connects. @returns its end of the socket, open as soon as this process runs */
  connect(api: Api, query: Readonly<Record<string, string>>, client: WireClient, opened: (session: Opened) => void): SimulatedWire {
    const wire = new SimulatedWire(this.#world, this.process, client);
    this.#wires.add(wire);
    this.process.after(1 + this.#world.chance.below(5), () => {
      if (wire.isOver) return;
      if (api === 'saga') {
        this.#saga.open(wire, query, opened);
        return;
      }
      wire.opened(this.#drivers[api].open(wire, { credential: verify(), path: '/', query, address: 'a' }));
      opened({});
    });
    return wire;
  }

  /** Writes as the edge's own sessions do. */
  write(write: PendingWrite): void {
    this.process.run(() => this.#writes.add(write));
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

/** What is logged as a mistake of ours is one. A request that fails because a server is away is logged as well. */
const logInto = ({ judge }: Surroundings): Log => ({
  ...silentLog,
  error: (sentence, fields) => {
    if (sentence.startsWith('protocol code failed')) judge.wrong(`${sentence}: ${JSON.stringify(fields, errorText)}`);
  },
});

const errorText = (_name: string, value: unknown): unknown => (value instanceof Error ? (value.stack ?? value.message) : value);

/** The bus of an edge with one of the planted mistakes. */
function mistaken(bus: NatsModelBus, { bug, chance }: Surroundings): Bus {
  const isOfFeed = bug === 'heads-without-chain' || bug === 'deliver-before-the-gap-is-filled';
  if (!isOfFeed && bug !== 'retry-without-the-operation-id') return bus;
  let next: number | undefined;
  return {
    get status() {
      return bus.status;
    },
    respond: (channel, handler) => bus.respond(channel, handler),
    publish: (channel, values, body) => bus.publish(channel, values, body),
    publishText: (subject, text) => bus.publishText(subject, text),
    flush: (ms) => bus.flush(ms),
    close: () => bus.close(),
    onStatus: (listener) => (bug === 'heads-without-chain' ? { unsubscribe: () => {} } : bus.onStatus(listener)),
    subscribe: (channel, subject, handler) =>
      bus.subscribe(channel, subject, (body, on, bytes) => {
        if (channel.address !== graphHead.address || bug !== 'heads-without-chain') return handler(body, on, bytes);
        // Each head is taken for the one that follows.
        const { from, to, keys } = body as { readonly from: number; readonly to: number; readonly keys: readonly number[][] };
        const missed = Math.max(0, from - (next ?? from));
        next = Math.max(next ?? 0, to + 1);
        handler({ ...body, from: from - missed, keys: [...Array.from({ length: missed }, () => []), ...keys] }, on, bytes);
      }),
    request: async (channel, subject, body, options) => {
      if (bug === 'retry-without-the-operation-id' && channel.address === graphMutate.address) {
        const { requests, ...rest } = body as { readonly requests: readonly { readonly operationId: string }[] };
        const renamed = requests.map((request) => ({
          ...request,
          operationId: operationId(
            operationTime(request.operationId),
            Uint8Array.from({ length: 10 }, () => chance.below(256)),
          ),
        }));
        return await bus.request(channel, subject, { ...rest, requests: renamed }, options);
      }
      const outcome = await bus.request(channel, subject, body, options);
      if (bug !== 'deliver-before-the-gap-is-filled' || channel.address !== graphChanges.address || !outcome.ok) return outcome;
      const reply = outcome.value as { readonly changes: readonly FullChange[] };
      return chance.percent(50) ? { ok: true, value: { ...outcome.value, changes: reply.changes.slice(1) } } : outcome;
    },
  };
}

/** A feed whose watches are now and then given again what they had in the turn before. */
function forgetful(feed: LiveFeed, { chance }: Surroundings): Feed {
  return {
    watch: (interest, handler) => {
      let last: FullChange | undefined;
      const again: WatchHandler = {
        live: (seq, epoch) => handler.live(seq, epoch),
        lost: (failure) => handler.lost(failure),
        waits: (seq) => handler.waits?.(seq),
        change: (change) => {
          if (last !== undefined && chance.percent(10)) handler.change(last);
          last = change;
          handler.change(change);
        },
      };
      return feed.watch(interest, again);
    },
    whenDelivered: (tenant, epoch, seq, timeoutMs, callback) => feed.whenDelivered(tenant, epoch, seq, timeoutMs, callback),
  };
}

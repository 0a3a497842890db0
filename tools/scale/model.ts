/**
 * The load of each hop of a system of a given size, from measured constants. Pure. A hop is one process, server or socket; `load` is the
 * used fraction of its capacity, so the hop with the highest load is the bottleneck.
 */

/**
 * Measured constants, on 2 shared cores (docs/benchmarks.md; those without a name there are from `bench/scale.ts`). CPU in microseconds of
 * one core.
 */
export const MEASURED = {
  /** Of one write, 256 in flight (`mutate`). */
  write: { edge: 46.5, nats: 16.1, store: 73.4, postgres: 68.5, redis: 16.9 },
  /** Of one delivery of a change to one socket: alone, and of eight changes that come together (`fanout`). */
  delivery: { alone: 8.87, together: 1.49 },
  /** Of one change at an edge that watches it (`filters`, deliveries to one socket included). */
  changeAtEdge: 41.96,
  /** Of the head of one change at an edge that does not watch it, in runs of 500 as under load. */
  headAtEdge: 0.25,
  /** Bytes of a change of 256 B of attributes on NATS, of its part of a head, and of PostgreSQL's log. */
  bytes: { change: 1248, head: 36, wal: 2450, event: 912 },
  /** Of a silent connection: KiB, and CPU each second (`idle`; Good Uncle has a heartbeat every 300 ms). */
  connection: { kib: 7.02, cpu: 0.74, heartbeatCpu: 47.04 },
} as const;

/** What one of each can do. */
const LIMITS = {
  /** A process of Node, of Redis, and a backend of PostgreSQL that commits: one core, of which some is kept for pauses. */
  core: 0.8e6,
  /** Cores of a server for PostgreSQL or NATS. */
  serverCores: 8,
  /** Bytes a second of a server's network card (10 Gbit/s). */
  network: 1.25e9,
  /** Bytes a second that a disk for PostgreSQL's log takes, with an fsync for each batch. */
  disk: 400e6,
  /** Bytes of memory of an edge's process. */
  memory: 4e9,
} as const;

export interface Size {
  readonly edges: number;
  readonly journals: number;
  /** Replicas of graph-store that serve one journal. */
  readonly replicas: number;
  /** NATS servers with routes, between which clients are spread evenly. */
  readonly natsServers: number;
  readonly redisServers: number;
  readonly connections: number;
  readonly writesPerSecond: number;
  /** Sockets that receive one change. */
  readonly receivers: number;
  /** Of all journals, those whose tenants have clients on one edge. */
  readonly journalsPerEdge: number;
  /** Edges that a tenant's clients are spread over: those that receive one change. */
  readonly edgesPerChange: number;
}

export interface Hop {
  readonly hop: string;
  readonly carries: string;
  /** 1: all that it can do. */
  readonly load: number;
}

/**
 * CPU of all processes for one write on one edge, with another edge that receives its head, in microseconds. Compared by `bench/scale.ts`.
 */
export function predictedCpu(receivers: number): number {
  const { write, delivery, changeAtEdge, headAtEdge } = MEASURED;
  const writing = write.edge + write.nats + write.store + write.postgres + write.redis;
  // One delivery is part of what a change costs an edge that watches it.
  return writing + headAtEdge + (receivers === 0 ? 0 : changeAtEdge + (receivers - 1) * delivery.together);
}

/** The hops of a system, the one that breaks first at the top. */
export function hopsOf(size: Size): readonly Hop[] {
  const { write, delivery, changeAtEdge, headAtEdge, bytes, connection } = MEASURED;
  const { edges, journals, replicas, natsServers, redisServers, connections, writesPerSecond, receivers, journalsPerEdge, edgesPerChange } =
    size;
  const perJournal = writesPerSecond / journals;
  const writesPerEdge = writesPerSecond / edges;
  const socketsPerEdge = connections / edges;
  const headsPerEdge = perJournal * journalsPerEdge;
  const changesPerEdge = (writesPerSecond * edgesPerChange) / edges;
  const deliveriesPerEdge = (writesPerSecond * receivers) / edges;
  const headBytes = perJournal * bytes.head * edges * journalsPerEdge;
  const changeBytes = writesPerSecond * bytes.change * (1 + edgesPerChange);
  const hops: Hop[] = [
    {
      hop: 'edge: CPU',
      carries: `${count(writesPerEdge)} writes, ${count(changesPerEdge)} changes, ${count(deliveriesPerEdge)} deliveries, ${count(headsPerEdge)} heads a second`,
      load:
        (writesPerEdge * write.edge +
          changesPerEdge * changeAtEdge +
          deliveriesPerEdge * delivery.together +
          headsPerEdge * headAtEdge +
          socketsPerEdge * connection.cpu) /
        LIMITS.core,
    },
    {
      hop: 'edge: memory',
      carries: `${count(socketsPerEdge)} sockets of ${connection.kib} KiB`,
      load: (socketsPerEdge * connection.kib * 1024) / LIMITS.memory,
    },
    {
      hop: 'edge: CPU of Good Uncle`s heartbeat, if all were its sockets',
      carries: `${count(socketsPerEdge)} sockets`,
      load: (socketsPerEdge * connection.heartbeatCpu) / LIMITS.core,
    },
    {
      hop: 'edge: network',
      carries: `${mega(deliveriesPerEdge * bytes.event + changesPerEdge * bytes.change + headsPerEdge * bytes.head)} MB/s`,
      load: (deliveriesPerEdge * bytes.event + changesPerEdge * bytes.change + headsPerEdge * bytes.head) / LIMITS.network,
    },
    {
      hop: 'NATS server: CPU',
      carries: `${count(writesPerSecond / natsServers)} writes a second, with their consequences`,
      // Of the measured cost, what a change to one edge costs is a part: each further edge that receives it costs about that much again.
      load: ((writesPerSecond / natsServers) * write.nats * (0.6 + 0.4 * edgesPerChange)) / (LIMITS.core * LIMITS.serverCores),
    },
    {
      hop: 'NATS server: network',
      carries: `${mega((changeBytes + headBytes) / natsServers)} MB/s`,
      load: (changeBytes + headBytes) / natsServers / LIMITS.network,
    },
    {
      hop: 'graph-store: CPU of a replica',
      carries: `${count(perJournal / replicas)} writes a second`,
      load: ((perJournal / replicas) * write.store) / LIMITS.core,
    },
    {
      hop: 'PostgreSQL of a journal: CPU of one committer at a time',
      carries: `${count(perJournal)} writes a second`,
      load: (perJournal * write.postgres) / LIMITS.core,
    },
    {
      hop: 'PostgreSQL of a journal: log',
      carries: `${mega(perJournal * bytes.wal)} MB/s`,
      load: (perJournal * bytes.wal) / LIMITS.disk,
    },
    {
      hop: 'Redis: CPU',
      carries: `${count(writesPerSecond / redisServers)} changes a second`,
      load: ((writesPerSecond / redisServers) * write.redis) / LIMITS.core,
    },
  ];
  return hops.sort((one, other) => other.load - one.load);
}

/** A table in Markdown. */
export function table(hops: readonly Hop[]): string {
  const rows = hops.map(({ hop, carries, load }) => `| ${hop} | ${carries} | ${load.toFixed(2)}${load > 1 ? ' **breaks**' : ''} |`);
  return ['| hop | carries | load |', '|---|---|---|', ...rows].join('\n');
}

const mega = (bytes: number): string => count(bytes / 1e6);

/** Three digits, and separators between thousands. */
function count(value: number): string {
  const rounded = value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return rounded.toLocaleString('en-US');
}

/** The faults, in a random order determined by the seed. Each fault restores what it broke: afterwards everything runs. */
import { connectRedis } from '@polyedge/journal/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import type { Random } from './random.ts';
import { publisherOf, type System } from './system.ts';

/** A publisher's lease lasts five seconds. */
const PAST_LEASE_MS = 6_000;

export type Fault = { readonly name: string; readonly run: (system: System, random: Random) => Promise<void> };

const killed =
  (which: (system: System, random: Random) => RunningServer | Promise<RunningServer>, downMs: number) =>
  async (system: System, random: Random): Promise<void> => {
    const server = await which(system, random);
    await server.kill();
    await pause(random.integer(0, downMs));
    await server.restart();
  };

const stopped =
  (which: (system: System, random: Random) => RunningServer | Promise<RunningServer>, fromMs: number, toMs: number) =>
  async (system: System, random: Random): Promise<void> => {
    const server = await which(system, random);
    server.pause();
    await pause(random.integer(fromMs, toMs));
    server.resume();
  };

const publisher = async ({ stores }: System, random: Random): Promise<RunningServer> =>
  stores[(await publisherOf(stores)) ?? 0] ?? random.pick(stores);

const KILLS: readonly Fault[] = [
  { name: 'kill a graph-store', run: killed(({ stores }, random) => random.pick(stores), 500) },
  { name: 'kill the publisher', run: killed(publisher, 500) },
  { name: 'kill NATS', run: killed(({ nats }) => nats, 1500) },
  { name: 'kill Redis', run: killed(({ redis }) => redis, 1500) },
  { name: 'kill PostgreSQL', run: killed(({ postgres }) => postgres, 1000) },
];

const STOPS: readonly Fault[] = [
  { name: 'stop a graph-store for a while', run: stopped(({ stores }, random) => random.pick(stores), 200, 3000) },
  { name: 'stop Redis', run: stopped(({ redis }) => redis, 500, 2500) },
  { name: 'stop PostgreSQL', run: stopped(({ postgres }) => postgres, 500, 2500) },
  { name: 'stop NATS', run: stopped(({ nats }) => nats, 500, 2500) },
];

const PAST_LEASE: Fault = { name: 'stop the publisher past its lease', run: stopped(publisher, PAST_LEASE_MS, PAST_LEASE_MS + 500) };

const WIPE: Fault = {
  name: 'wipe Redis',
  async run({ redis }) {
    const client = connectRedis({ url: redis.url, name: 'kill-wipe', onError: () => {} });
    try {
      await new Promise<void>((resolve) => {
        client.once('ready', resolve);
        setTimeout(resolve, 2000);
      });
      await client.flushall();
    } catch {
      // It is down because of another fault.
    } finally {
      client.disconnect();
    }
  },
};

const LATE_EDGE: Fault = {
  name: 'an edge comes back to NATS late',
  async run({ gateway }, random) {
    gateway.cut();
    await pause(random.integer(500, 3000));
    gateway.mend();
  },
};

/**
 * Runs one round of faults: every server killed once, one stopped, Redis wiped, an edge cut off, and concurrently the publisher
 * stopped past its lease every third round. Reports each fault as it begins.
 */
export async function runFaults(system: System, random: Random, round: number, report: (line: string) => void): Promise<void> {
  const begin = async (fault: Fault): Promise<void> => {
    report(`  ${fault.name}`);
    await fault.run(system, random);
  };
  const beside: Promise<void>[] = [];
  // A stopped process must not be killed by another fault, so in such a round there are no other faults of the store's processes.
  const lease = round % 3 === 2;
  if (lease) beside.push(begin(PAST_LEASE));
  const rest = lease ? [...KILLS.slice(2), WIPE, LATE_EDGE] : [...KILLS, random.pick(STOPS), WIPE, LATE_EDGE];
  for (const fault of random.shuffled(rest)) {
    const running = begin(fault);
    // A disconnected edge and a restarting store overlap with the next fault.
    if (fault === LATE_EDGE) beside.push(running);
    else await running;
    await pause(random.integer(100, 700));
  }
  await Promise.all(beside);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

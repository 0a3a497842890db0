/**
 * One move of a tenant under faults: the mover runs until the tenant is in the other journal, while one process is killed at several moments. The moments
 * are recognized by the mover's output, so that every part of a move is hit, whatever the tenant's size.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { MAIN } from '@polyedge/contracts/journal';
import type { Bus } from '@polyedge/service-kit/bus';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import type { Random } from '../kill/random.ts';
import { publisherOf, type System } from '../kill/system.ts';
import { Probe } from './probe.ts';

export type Fault =
  | 'the mover'
  | 'a replica'
  | 'the publisher'
  | 'NATS'
  | 'Redis'
  | 'PostgreSQL of the source'
  | 'PostgreSQL of the target';

/** How long a leg may take before it counts as stuck. */
const LEG_MS = 600_000;
/** After each moment there is a random pause of at most this length, so that kills hit different steps. */
export const WITHIN_MS = 900;
/** A killed server is restarted after this time at most. */
const AWAY_MS = 700;
/** About the time that a mover needs to start. */
const MOVER_STARTS_MS = 400;

/** When something is killed: at a fraction of the copying (0: when a mover starts), while the copy is compared, or while the rest is removed. */
export interface Strike {
  readonly at: number | 'compared' | 'removing';
  readonly fault: Fault;
}

export interface Leg {
  readonly ms: number;
  /** How much of that time had passed when the comparison began, and when the removal of the rest began. */
  readonly comparedMs: number;
  readonly decidedMs: number;
  /** What was killed, and when. */
  readonly struck: readonly string[];
  /** How long writes were refused, as the mover reports. */
  readonly fencedMs: number;
  /** The longest time without an acknowledged write of the tenant. */
  readonly outageMs: number;
  /** The longest time from killing a server until it answered again. */
  readonly awayMs: number;
}

interface LegOptions {
  readonly system: System;
  readonly bus: Bus;
  readonly random: Random;
  readonly tenant: string;
  readonly source: string;
  readonly target: string;
  readonly strikes: readonly Strike[];
  /** The longest pause between a moment and its strike, `WITHIN_MS` or less. */
  readonly withinMs: number;
}

export async function runLeg(options: LegOptions): Promise<Leg> {
  const { system, bus, random, tenant, target } = options;
  const began = performance.now();
  using probe = new Probe(bus, tenant);
  let mover: ChildProcess | undefined;
  const strikes = new Strikes(options.strikes, options.withinMs, random, (fault) =>
    fault === 'the mover' ? Promise.resolve(mover?.kill('SIGKILL') === true) : killServer(options, fault),
  );
  let output = '';
  const way = new Way();
  const reached = new Map<Strike['at'], number>();
  const reach = (at: Strike['at']): void => {
    if (!reached.has(at)) reached.set(at, Math.round(performance.now() - began));
    strikes.reach(at);
  };
  try {
    for (;;) {
      if (performance.now() > began + LEG_MS) throw new Error(`the move to ${target} is not done: ${output.slice(-2000)}`);
      mover = startMover(system, tenant, target, (text) => {
        output += text;
        for (const at of way.heard(text)) reach(at);
      });
      setTimeout(() => reach(0), MOVER_STARTS_MS);
      const [code] = await once(mover, 'exit');
      if (code === 0) break;
      if (code !== null) throw new Error(`the mover ended with ${code}: ${output.slice(-2000)}`);
    }
  } catch (error) {
    // A killed process is restarted before its owner disposes of it.
    await strikes.end().catch(() => {});
    throw error;
  }
  const ms = Math.round(performance.now() - began);
  const { struck, awayMs } = await strikes.end();
  await bus.placements?.refresh();
  const outageMs = await probe.stop();
  const fences = [...output.matchAll(/refused for (\d+) ms/g)].map(([, found]) => Number(found));
  const [comparedMs = 0, decidedMs = 0] = [reached.get('compared'), reached.get('removing')];
  return { ms, comparedMs, decidedMs, struck, fencedMs: Math.max(0, ...fences), outageMs, awayMs };
}

async function killServer({ system, source, target, random }: LegOptions, fault: Fault): Promise<boolean> {
  const { stores, nats, redis, places } = system;
  const databaseOf = (journal: string): RunningServer | undefined => places.find((place) => place.journal === journal)?.server;
  const servers: Readonly<Record<Exclude<Fault, 'the mover'>, RunningServer | undefined>> = {
    'a replica': stores[0],
    'the publisher': stores[(await publisherOf(stores)) ?? 0],
    NATS: nats,
    Redis: redis,
    'PostgreSQL of the source': databaseOf(source),
    'PostgreSQL of the target': databaseOf(target),
  };
  const server = fault === 'the mover' ? undefined : servers[fault];
  await server?.kill();
  await pause(random.integer(0, AWAY_MS));
  await server?.restart();
  return server !== undefined;
}

/** The progress of a mover, from its output: repeatedly how much of the journal is left, then each next step. */
class Way {
  #all = 0;

  heard(text: string): readonly Strike['at'][] {
    const left = [...text.matchAll(/(\d+) of the journal are left/g)].map(([, count]) => Number(count));
    this.#all = Math.max(this.#all, ...left);
    return [
      ...left.map((count) => 1 - count / Math.max(1, this.#all)),
      ...(text.includes('is compared') ? (['compared'] as const) : []),
      ...(text.includes('deletes the rest') ? (['removing'] as const) : []),
    ];
  }
}

/** Kills each process once, at its moment, one after the other. */
class Strikes {
  readonly #planned: Set<Strike>;
  readonly #withinMs: number;
  readonly #random: Random;
  readonly #kill: (fault: Fault) => Promise<boolean>;
  readonly #struck: string[] = [];
  #awayMs = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(planned: readonly Strike[], withinMs: number, random: Random, kill: (fault: Fault) => Promise<boolean>) {
    this.#planned = new Set(planned);
    this.#withinMs = withinMs;
    this.#random = random;
    this.#kill = kill;
  }

  reach(at: Strike['at']): void {
    for (const strike of this.#planned) {
      const isDue = typeof at === 'number' && typeof strike.at === 'number' ? strike.at <= at : strike.at === at;
      if (!isDue) continue;
      this.#planned.delete(strike);
      const waits = pause(this.#random.integer(0, this.#withinMs));
      this.#last = this.#last.then(() => waits).then(() => this.#strike(strike));
      // Reported to whoever waits for the end.
      this.#last.catch(() => {});
    }
  }

  /** Resolves when everything that was killed is running again. */
  async end(): Promise<{ readonly struck: readonly string[]; readonly awayMs: number }> {
    this.#planned.clear();
    await this.#last;
    return { struck: this.#struck, awayMs: Math.round(this.#awayMs) };
  }

  async #strike({ at, fault }: Strike): Promise<void> {
    const began = performance.now();
    // The mover may have finished by then.
    if (!(await this.#kill(fault))) return;
    this.#struck.push(`${fault} ${typeof at === 'number' ? `at ${Math.round(100 * at)} %` : `when ${at}`}`);
    if (fault !== 'the mover') this.#awayMs = Math.max(this.#awayMs, performance.now() - began);
  }
}

function startMover({ places, redis }: System, tenant: string, target: string, heard: (text: string) => void): ChildProcess {
  const program = resolve(import.meta.dirname, '../../services/graph-store/src/tenants.ts');
  const urls = new Map(places.map(({ journal, databaseUrl }) => [journal, databaseUrl]));
  const others = [...urls].filter(([journal]) => journal !== MAIN).map(([journal, url]) => `${journal}=${url}`);
  const mover = spawn(process.execPath, [program, 'move', tenant, target], {
    env: { ...process.env, DATABASE_URL: urls.get(MAIN), POLYEDGE_JOURNALS: others.join(' '), REDIS_URL: redis.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [mover.stdout, mover.stderr]) stream.setEncoding('utf8').on('data', heard);
  return mover;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

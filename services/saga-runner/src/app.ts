/** Composition of the runner, top to bottom. */
import { runnerAlive } from '@polyedge/contracts/bus/runner';
import { MAIN } from '@polyedge/contracts/journal';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import { JournalGroups } from '@polyedge/journal/groups-over-bus';
import { publishGroups } from '@polyedge/journal/groups-report';
import { JournalRedis, redisJournalUrls } from '@polyedge/journal/journal-redis';
import { Leases } from '@polyedge/journal/lease';
import type { Bus } from '@polyedge/service-kit/bus';
import { startHealthServer } from '@polyedge/service-kit/health';
import { CannotStart, type Running } from '@polyedge/service-kit/lifecycle';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { Api } from './api/api.ts';
import { fetchCalls } from './api/fetch.ts';
import { answerCallers, handOver } from './callers.ts';
import type { RunnerSettings } from './config.ts';
import { EndedCalls } from './ended-calls.ts';
import { Jobs } from './jobs.ts';
import { JournalTriggers } from './journal-triggers.ts';
import { reportGroups, reportRunner } from './metrics.ts';
import { Packages } from './packages/packages.ts';
import { Pool } from './pool.ts';
import { Records } from './records.ts';
import { Retention } from './retention.ts';
import { RunnableTable } from './runnable-table.ts';
import { Runs } from './runs.ts';
import { Stats } from './stats.ts';
import { Writing } from './writing.ts';

const ALIVE_MS = 1000;
/** A hand-over of a partition waits for the runs that it fired. */
const HAND_OVER_MS = 35_000;
const CHAIN_MS = 10_000;

/** Throws `CannotStart`. */
export function checkSettings(config: Config<RunnerSettings>): void {
  fetchCalls(config);
  redisJournalUrls(config);
}

export async function startRunner(config: Config<RunnerSettings>, context: ServiceContext, bus: Bus): Promise<Running> {
  const { log, metrics, instance } = context;
  const tenants = [...new Set(config.tenants.split(',').map((name) => name.trim()))];
  const redisOf = new JournalRedis(config, `saga-runner-${instance}`, (sentence) => log.warn(sentence));
  const redis = redisOf.of(MAIN);
  const groups = new JournalGroups(bus, redisOf, {
    edge: instance,
    onOpened: (opened, journal) => reportGroups(metrics, opened, journal),
    offsetMode: 'kafka',
    times: { drainMs: HAND_OVER_MS },
    onNote: (sentence, { tenant, name }) => log.warn(sentence, { tenant, id: name }),
  });
  const groupReports = publishGroups(bus, groups, instance);
  const wheel = new Wheel(systemClock);
  const writing = new Writing(bus, wheel);
  const records = new Records(writing);
  const api = new Api({ bus, writing, requestTimeoutMs: config.requestTimeoutMs, outward: config });
  const packages = new Packages({ bus, writing, log, enabled: config.packages, registry: config.registry });
  const tables = tenants.map((tenant) => new RunnableTable(bus, tenant, () => {}));
  const table = (tenant: string | undefined) => tables.find((one) => one.tenant === tenant);
  const pool: Pool = new Pool({
    shared: config.processes,
    alone: config.processes,
    perProcess: config.perProcess,
    onRoom: () => runs.pump(),
    onEnd: (reason) => log.warn(`a process of isolates ended: ${reason}`),
    bundle: (content) => packages.bundle(content),
  });
  const runs: Runs = new Runs({
    api,
    records,
    pool,
    stats: new Stats(metrics, tenants.length),
    log,
    limits: {
      wallMs: config.wallMs,
      cpuMs: config.cpuMs,
      memoryMb: config.memoryMb,
      logLines: config.maxLogLines,
      logBytes: config.maxLogBytes,
      calls: config.maxCalls,
      callsPerSecond: config.maxCallsPerSecond,
      resultBytes: config.maxResultBytes,
    },
    jobWallMs: config.jobWallMs,
    chains: { depth: config.maxDepth, runs: config.maxChainRuns, perMs: CHAIN_MS },
    perTenant: config.perTenant,
    perRunnable: config.perRunnable,
    maxFired: config.maxFired,
    table,
    packages,
  });
  pool.warm(tenants);
  await Promise.all(tables.map((one) => one.upTo(0)));
  const triggers = tables.map(
    (one) =>
      new JournalTriggers({
        ...{ groups, table: one, runs, api, log },
        ended: new EndedCalls(bus, one.tenant),
        onPackage: (change) => packages.changed(change),
      }),
  );
  const jobs = new Jobs({
    leases: new Leases(redis, 'pe:saga-runner:'),
    ...{ runs, writing, tables, log },
    handOver: (wanted) => handOver(bus, wanted),
  });
  const retention = new Retention({ bus, writing, jobs, tables, keepMs: config.keepRecordsMs, log });
  const responders = answerCallers({ bus, runs, jobs, maxWaiting: config.maxWaiting, tables, installs: config.packages });
  reportRunner(metrics, { pool, runs, jobs, triggers });
  const alive = setInterval(() => bus.publish(runnerAlive, {}, { instance, packages: config.packages, tenants }), ALIVE_MS);
  const health = await startHealthServer({ host: config.host, port: config.port, ready: context.ready }).catch((error: unknown) => {
    throw new CannotStart(`port ${config.port} cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
  });
  log.info('listening', { port: health.port });

  return {
    ready: () => {
      if (bus.status !== 'connected') return 'NATS is not connected';
      if (redis.status !== 'ready') return 'Redis does not answer';
      return triggers.every(({ hasBegun }) => hasBegun) ? true : 'the group of runners is not open yet';
    },
    drain: async () => {
      clearInterval(alive);
      for (const responder of responders) responder.leave();
      for (const one of triggers) one.leave();
      await Promise.all([jobs.leave(), runs.stop()]);
    },
    stop: async () => {
      retention.close();
      await jobs.close();
      await Promise.all(responders.map((responder) => responder.stop()));
      pool.close();
      for (const one of tables) one.close();
      groupReports.unsubscribe();
      await groups.close();
      await health.stop();
    },
  };
}

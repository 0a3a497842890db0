/** Publishes the status of a process on the bus once a second, for the console. Costs one small message. */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { MAX_FIGURES, type ServiceStatus, serviceStatus } from '@polyedge/contracts/bus/console';
import type { Bus } from './bus.ts';
import type { ServiceContext } from './service.ts';

const BEAT_MS = 1_000;
/** Period of the timer that measures the event loop; it does not count as delay. */
const RESOLUTION_MS = 20;
const MAX_REASON = 512;

/** Publishes until the process ends, except while the bus is disconnected. */
export function publishStatus(
  bus: Pick<Bus, 'publish' | 'status'>,
  context: Pick<ServiceContext, 'service' | 'instance' | 'metrics' | 'ready'>,
): void {
  const read = statusReader(context);
  setInterval(() => {
    const status = read();
    if (bus.status === 'connected') bus.publish(serviceStatus, { service: context.service }, status);
  }, BEAT_MS).unref();
}

/** Each call returns the status since the previous one. */
function statusReader({
  service,
  instance,
  metrics,
  ready,
}: Pick<ServiceContext, 'service' | 'instance' | 'metrics' | 'ready'>): () => ServiceStatus {
  const version = versionOf();
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  loop.enable();
  let beat = 0;
  let cpu = process.cpuUsage();
  let at = performance.now();
  return () => {
    beat += 1;
    const used = process.cpuUsage(cpu);
    const took = Math.max(1, performance.now() - at);
    cpu = process.cpuUsage();
    at = performance.now();
    const late = (nanoseconds: number) => Math.max(0, round(nanoseconds / 1e6 - RESOLUTION_MS));
    const counted = loop.count > 0;
    const [loopDelayMs, loopDelayMaxMs] = counted ? [late(loop.percentile(99)), late(loop.max)] : [0, 0];
    loop.reset();
    const { rss, heapUsed } = process.memoryUsage();
    const state = ready();
    return {
      service,
      instance,
      version,
      beat,
      uptimeMs: Math.round(process.uptime() * 1000),
      ready: state === true ? true : state.slice(0, MAX_REASON),
      memoryBytes: rss,
      heapBytes: heapUsed,
      cpu: round((used.user + used.system) / 1000 / took),
      loopDelayMs,
      loopDelayMaxMs,
      figures: metrics.figures(MAX_FIGURES),
    };
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

/** All packages of one release have one version. */
function versionOf(): string {
  const read: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : '';
}

/** The routes of an edge, taken from the running service itself, without any other service, so there is no separate list. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type ConfigResult, readConfig } from '@polyedge/service-kit/config';
import type { Running } from '@polyedge/service-kit/lifecycle';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { startHiroEdge } from '../../services/hiro-edge/src/app.ts';
import { settings as hiroSettings } from '../../services/hiro-edge/src/config.ts';
import { startSagaEdge } from '../../services/saga-edge/src/app.ts';
import { settings as sagaSettings } from '../../services/saga-edge/src/config.ts';
import { startSpaceEdge } from '../../services/space-edge/src/app.ts';
import { settings as spaceSettings } from '../../services/space-edge/src/config.ts';

/** A method and a path as fastify writes them: `GET /scripts/:id`. */
export interface Route {
  readonly method: string;
  readonly url: string;
}

const context = { log: silentLog, metrics: noMetrics(), ready: () => true as const, instance: 'documented' };
const environment = { POLYEDGE_MODE: 'local', PORT: '0', REDIS_URL: 'redis://127.0.0.1:1' };

const EDGES: Readonly<Record<string, () => Promise<Running>>> = {
  hiro: () => startHiroEdge(valid(readConfig('hiro-edge', hiroSettings, environment)), context, localBus()),
  saga: () => startSagaEdge(valid(readConfig('saga-edge', sagaSettings, environment)), context, localBus()),
  space: () => startSpaceEdge(valid(readConfig('space-edge', spaceSettings, environment)), context, localBus()),
};

/** Edges with a REST part. */
export const edges: readonly string[] = Object.keys(EDGES);

function valid<S>(read: ConfigResult<S>) {
  if (!read.ok) throw new Error(read.problems.join('\n'));
  return read.config;
}

/** Starts the edge, records the routes that it registers, and stops it. HEAD, which fastify adds, and OPTIONS of CORS are omitted. */
export async function routesOf(edge: string): Promise<readonly Route[]> {
  const start = EDGES[edge];
  if (start === undefined) throw new Error(`${edge} has no REST part`);
  const found = new Map<string, Route>();
  const made = (message: unknown) => {
    const { fastify } = message as { readonly fastify: { addHook(name: 'onRoute', hook: (route: RouteOptions) => void): void } };
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD' && one !== 'OPTIONS') found.set(`${one} ${url}`, { method: one, url });
    });
  };
  subscribe('fastify.initialization', made);
  try {
    const running = await start();
    await running.stop();
  } finally {
    unsubscribe('fastify.initialization', made);
  }
  return [...found.values()].sort((one, other) => one.url.localeCompare(other.url) || one.method.localeCompare(other.method));
}

interface RouteOptions {
  readonly method: string | readonly string[];
  readonly url: string;
}

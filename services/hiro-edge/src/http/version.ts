import type { FastifyInstance } from 'fastify';
import { sendJson } from './answer.ts';

/** Exactly these keys: hiro-python-library rejects unknown ones, and graph_conn needs three of them. */
export interface ApiEntry {
  readonly endpoint: string;
  readonly version: string;
  readonly docs: string;
  readonly support: 'supported' | 'unsupported';
  readonly specs: string;
  readonly protocols: string;
  readonly lifecycle: 'experimental' | 'stable' | 'deprecated' | 'removed';
}

const entry = (name: string, version: string, protocols: string, support: ApiEntry['support'] = 'supported'): ApiEntry => ({
  endpoint: `/api/${name}/${version}/`,
  version,
  docs: '',
  support,
  specs: '',
  protocols,
  lifecycle: support === 'supported' ? 'stable' : 'experimental',
});

/** The served APIs. `app` and `variables` are not served, but the older Java client does not start without their entries. */
export const API_ENTRIES: Readonly<Record<string, ApiEntry>> = {
  app: entry('app', '7.0', '', 'unsupported'),
  auth: entry('auth', '6.6', ''),
  'events-ws': entry('events-ws', '6.2', 'events-1.0.0'),
  graph: entry('graph', '7.4', ''),
  'graph-ws': entry('graph-ws', '6.1', 'graph-2.0.0'),
  variables: entry('variables', '6', '', 'unsupported'),
};

/** Version discovery, without a token. */
export function versionRoutes(app: FastifyInstance): void {
  const lists = Object.fromEntries(Object.entries(API_ENTRIES).map(([name, value]) => [name, [value]]));
  app.get('/api/version', (_request, reply) => sendJson(reply, 200, API_ENTRIES));
  app.get('/api/versions', (_request, reply) => sendJson(reply, 200, lists));
}

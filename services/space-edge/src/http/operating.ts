/** Calls for operators: `/analytics…` and `/cache…`. */
import type { Json } from '@polyedge/query/json';
import type { FastifyInstance } from 'fastify';
import { type RestAnswer, refuse } from '../protocol/answer.ts';
import { fieldsOf } from '../protocol/fields.ts';
import { byOf } from '../store/accounts/identity.ts';
import type { Analytics, Metric } from '../store/analytics.ts';
import type { Notes } from '../store/notes.ts';
import { PREFIX, serve } from './call.ts';

const DEFAULT_SECONDS = 300;
const MAX_SECONDS = 365 * 86_400;
const MAX_KEY = 1024;

export function operatingRoutes(
  app: FastifyInstance,
  { analytics, notes }: { readonly analytics: Analytics; readonly notes: Notes },
): void {
  // After the hook that authorizes: only permitted calls count.
  app.addHook('preHandler', ({ url, method }, _reply, done) => {
    if (url.startsWith(`${PREFIX}/`)) analytics.count(method === 'POST' && url.startsWith(`${PREFIX}/features`));
    done();
  });

  const week = (path: string, metric: Metric): void =>
    serve(app, 'GET', path, async () => {
      const found = await analytics.week(metric);
      return found.ok ? { status: 200, body: found.value } : found.answer;
    });
  week('/analytics/api-calls', 'apiCalls');
  week('/analytics/evaluations', 'evaluations');

  serve(app, 'GET', '/cache/get', async ({ query }) => {
    const { key } = query;
    if (!isKey(key)) return NO_KEY;
    const found = await notes.get(key);
    return found.ok ? { status: 200, body: found.value } : found.answer;
  });
  serve(app, 'POST', '/cache/set', async ({ body, caller }) => {
    const { key, value, expirationInSeconds: seconds = DEFAULT_SECONDS } = fieldsOf(body);
    if (!isKey(key)) return NO_KEY;
    if (value === undefined) return refuse(400, 'Invalid request: the value is missing').answer;
    if (typeof seconds !== 'number' || !(seconds > 0 && seconds <= MAX_SECONDS))
      return refuse(400, `Invalid request: expirationInSeconds must be a number above 0, of at most ${MAX_SECONDS}`).answer;
    // It was JSON, or a text of a form.
    const set = await notes.set(key, value as Json, seconds, caller === undefined ? '' : byOf(caller));
    return set.ok ? { status: 200, body: { message: 'Cache set successfully' } } : set.answer;
  });
}

const NO_KEY: RestAnswer = refuse(400, `Invalid request: the key must be a text of 1 to ${MAX_KEY} characters`).answer;

const isKey = (key: unknown): key is string => typeof key === 'string' && key !== '' && key.length <= MAX_KEY;

/** Requests of saga-edge: to call an HTTP script, to start a run now, and whether packages are installed. */
import { randomBytes } from 'node:crypto';
import { MAX_SCRIPT_BODY, runnerCall, runnerPackages, runnerRun } from '@polyedge/contracts/bus/runner';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json, JsonObject } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { encodeBody } from '@polyedge/saga/body';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import type { Jobs } from './jobs.ts';
import type { RunRequest } from './run.ts';
import type { Runnable } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Runs } from './runs.ts';

export interface CallersOptions {
  readonly bus: Bus;
  readonly runs: Runs;
  readonly jobs: Jobs;
  readonly maxWaiting: number;
  /** Of the organizations that this runner works for. */
  readonly tables: readonly RunnableTable[];
  readonly installs: boolean;
}

/** Requests for other organizations go to the runners that work for those. */
export function answerCallers(options: CallersOptions): readonly Responder[] {
  const { bus, tables, installs } = options;
  return tables.flatMap((table) => {
    const only = { tenant: table.tenant };
    return [
      bus.respond(runnerCall, (request, { deadline }) => callScript(options, table, request, deadline), { only }),
      bus.respond(runnerRun, (request) => runNow(options, table, request), { only }),
      bus.respond(runnerPackages, async () => done({ installs }), { only }),
    ];
  });
}

const HAND_OVER_MS = 5000;

const newCall = (): string => randomBytes(12).toString('hex');

/** The runnable in the version that saga-edge has just read or written. */
async function find(options: CallersOptions, table: RunnableTable, id: string): Promise<Outcome<Runnable>> {
  if (options.runs.waitingOf(table.tenant) >= options.maxWaiting) return failed('limited', 'too many runs wait');
  const fresh = await table.fresh();
  if (!fresh.ok) return fresh;
  const runnable = table.find(id);
  return runnable === undefined ? failed('not-found', 'there is no such script or job') : done(runnable);
}

const wanted = (
  runnable: Runnable,
  call: string,
  parameters: readonly Json[],
  context: JsonObject,
  http: boolean,
  testData: boolean,
): RunRequest => ({
  runnable,
  call,
  seed: call,
  at: Date.now(),
  parameters: parameters.map((value, at) => ({ name: String(at), value })),
  context,
  orderKey: undefined,
  property: undefined,
  depth: 1,
  chain: call,
  parentCall: undefined,
  testData,
  http,
});

async function callScript(
  options: CallersOptions,
  table: RunnableTable,
  request: RequestOf<typeof runnerCall>,
  until: number,
): Promise<Outcome<ReplyOf<typeof runnerCall>>> {
  const found = await find(options, table, request.script);
  if (!found.ok) return found;
  if (found.value.plural !== 'scripts' || !found.value.enabled) return failed('not-found', 'there is no such script');
  const { method, path, query, headers, body, encoding, user = null, address } = request;
  const call = newCall();
  const given = {
    method,
    path,
    query,
    headers,
    body: parsedBody(body, encoding, headers),
    raw_body: body,
    encoding,
    user_id: user,
    ip: address,
  };
  const context = { request: { method, path } };
  const { outcome, error } = await options.runs.start({ ...wanted(found.value, call, [given], context, true, false), until });
  if (outcome.is === 'refused') return failed('limited', outcome.problem);
  if (outcome.is === 'left') return outcome.begun ? failed('unavailable', 'its runner ended') : failed('busy', 'this runner ends');
  if (outcome.is !== 'returned' || outcome.response === undefined) {
    // The caller is anonymous: details are visible only to those who may read the runnable call.
    return done({ ...failureAnswer({ status_code: 500, name: 'Internal Server Error', message: 'the script failed' }), call });
  }
  const { response } = outcome;
  const bytes = Buffer.from(response.body, 'base64');
  if (error !== null || bytes.length > MAX_SCRIPT_BODY)
    return done({ ...failureAnswer({ status_code: 500, name: 'Internal Server Error' }), call });
  return done({ status: response.status, headers: response.headers, ...encodeBody(bytes), call });
}

function failureAnswer(body: object) {
  return { status: 500, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), encoding: 'utf8' as const };
}

/** The `body` passed to a script: text that is not JSON, or is nested too deeply, stays text. */
function parsedBody(body: string, encoding: 'utf8' | 'base64', headers: Readonly<Record<string, string>>): Json {
  if (encoding === 'base64' || body === '') return body === '' ? null : body;
  const type = (headers['content-type'] ?? '').toLowerCase();
  if (type.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(body));
  if (!type.includes('json')) return body;
  const parsed = parseJson(body);
  return parsed.ok ? parsed.value : body;
}

async function runNow(
  options: CallersOptions,
  table: RunnableTable,
  { type, id, args, testData, left }: RequestOf<typeof runnerRun>,
): Promise<Outcome<ReplyOf<typeof runnerRun>>> {
  const found = await find(options, table, id);
  if (!found.ok) return found;
  const runnable = found.value;
  if (runnable.plural !== type) return failed('not-found', 'there is no such script or job');
  const call = left?.call ?? newCall();
  const context = left?.scheduled === true ? { scheduled_at: new Date(left.at).toISOString() } : { manual: true };
  const fresh = wanted(runnable, call, args, context, runnable.path?.startsWith('/requests/') === true, testData);
  const run = { ...fresh, at: left?.at ?? fresh.at };
  if (type === 'jobs') {
    const started = await options.jobs.startNow(run);
    if (started === 'started') return done({ call });
    return started === 'running'
      ? failed('conflict', 'the job is running')
      : failed('unavailable', 'Redis does not answer: jobs do not start');
  }
  void options.runs.start({ ...run, handOver: () => handOver(options.bus, run) });
  return done({ call });
}

/** Gives a run whose request was answered, or whose tick was claimed, to another runner, under the same call; false if none takes it. */
export async function handOver(bus: Bus, { runnable, call, at, parameters, context, testData }: RunRequest): Promise<boolean> {
  const { tenant, plural: type, id } = runnable;
  const args = parameters.flatMap((parameter) => ('value' in parameter ? [parameter.value] : []));
  const request = { type, id, args, testData, left: { call, at, scheduled: context.scheduled_at !== undefined } };
  const taken = await bus.request(runnerRun, runnerRun.subject({ tenant }), request, { timeoutMs: HAND_OVER_MS });
  return taken.ok;
}

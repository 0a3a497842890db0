/**
 * One attempt of one batch: locks and loads the rows that its requests need, applies the requests one after the other in memory, and writes
 * the results together. A request that breaks a rule fails alone, without affecting the others.
 */
import { hash as digest, randomBytes } from 'node:crypto';
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Span } from '@polyedge/service-kit/spans';
import { applyRequest } from '../core/apply.ts';
import { knownJson } from '../core/known-json.ts';
import { MAX_SELECTED } from '../core/limits.ts';
import { type Applied, assignChangeSeqs, assignElementSeq, assignSeq, type PendingResult } from '../core/pending.ts';
import { isEdgeId, plan, type RowPlan } from '../core/plan.ts';
import type { Schemas } from '../core/schema.ts';
import { World } from '../core/world.ts';
import type { Committed } from '../publisher/recent.ts';
import type { HomeScopes } from './home-scopes.ts';
import { type EarlierResult, findEarlierResults, replyJson } from './idempotency.ts';
import { addIds, addPlan, findIds, loadRows, noRowsToLoad, type RowsToLoad, settleAll } from './load.ts';
import { LOCK } from './locks.ts';
import type { Issuer } from './pipeline.ts';
import { findAway } from './tenants-elsewhere.ts';
import { type Written, writeAndCommit } from './write.ts';

/** A request, with what the batch needs to know about it. */
export interface BatchRequest {
  readonly tenant: string;
  readonly defaultScope: string;
  readonly request: MutationRequest;
  readonly plan: RowPlan;
  /** SHA-256 of the request: distinguishes a repeat from another request with the same operation id. */
  readonly hash: Buffer;
}

export function batchRequest(tenant: string, defaultScope: string, request: MutationRequest): BatchRequest {
  const text = `${tenant}\0${knownJson(request) ?? JSON.stringify(request)}`;
  return { tenant, defaultScope, request, plan: plan(request), hash: digest('sha256', text, 'buffer') };
}

export interface BatchResult {
  readonly outcomes: readonly MutationOutcome[];
  readonly epoch: string;
  /** The changes of the batch, ready to be published. */
  readonly changes: readonly Committed[];
}

/** Shared by all batches. */
export interface BatchParts {
  readonly schemas: Schemas;
  readonly homes: HomeScopes;
}

/** Starts the span of a part of a batch; undefined if the batch is not traced. */
export type StepOfBatch = (name: string) => Span | undefined;

const TOGETHER = `select pg_advisory_xact_lock_shared(${LOCK.batch})`;
const ALONE = `select pg_advisory_xact_lock(${LOCK.batch})`;

/** How often a request may need rows that its plan did not predict. */
const MAX_NEEDS = 8;

/**
 * @param exclusive waits until no other batch is running and blocks others, so that nothing can conflict
 * @param refusals receives the outcome of each failed request before the COMMIT, which is all that is known if the COMMIT is not answered
 * @param step a part that fails has no span
 */
export async function runBatch(
  issuer: Issuer,
  { schemas, homes }: BatchParts,
  requests: readonly BatchRequest[],
  exclusive: boolean,
  refusals: Map<BatchRequest, MutationOutcome>,
  step: StepOfBatch,
): Promise<BatchResult> {
  const world = new World();
  const loading = step('lock and load');
  // All of these are sent together, in this order.
  const work: Promise<unknown>[] = [issuer.issue('begin'), issuer.issue(exclusive ? ALONE : TOGETHER)];
  const candidates = new Map<BatchRequest, Map<number, readonly string[]>>();
  const wanted = new Map<string, RowsToLoad>();
  for (const entry of requests) {
    const ofTenant = wanted.get(entry.tenant) ?? noRowsToLoad();
    wanted.set(entry.tenant, ofTenant);
    addPlan(ofTenant, entry.plan);
    for (const { operation, filter, deletes } of entry.plan.criteria) {
      work.push(
        findIds(issuer, entry.tenant, filter, MAX_SELECTED + 1).then((ids) => {
          const ofRequest = candidates.get(entry) ?? new Map<number, readonly string[]>();
          candidates.set(entry, ofRequest.set(operation, ids));
          addIds(ofTenant, ids);
          if (deletes) for (const id of ids) if (!isEdgeId(id)) ofTenant.adjacency.add(id);
        }),
      );
    }
  }
  // Criteria are evaluated before the first row lock; without criteria, everything up to here and the locks are one round trip.
  if (requests.some(({ plan: { criteria } }) => criteria.length > 0)) await settleAll(work.splice(0));
  const contents = new Map<string, Set<string>>();
  // All batches use the same order of tenants: locks are taken by tenant, phase and id.
  for (const [tenant, ofTenant] of [...wanted].sort(([left], [right]) => (left < right ? -1 : 1))) {
    work.push(
      loadRows(issuer, tenant, world.tenant(tenant), ofTenant).then((complete) => {
        contents.set(tenant, complete);
      }),
    );
  }
  // After the locks: an earlier attempt of the same request that held them has committed by then and is found, so its own effects never
  // look like a failed guard.
  const repeats = findEarlierResults(issuer, requests);
  const away = findAway(issuer, [...wanted.keys()]);
  work.push(repeats, away);
  await settleAll(work);
  loading?.end('ok');

  const on = Date.now();
  let known = await repeats;
  const elsewhere = await away;
  let late = requests.some(({ plan: { criteria } }) => criteria.length > 0);
  const states: RequestState[] = [];
  const written: Mutable<Written> = { world, changes: [], values: [], replies: [] };
  const seen = new Map<string, number>();
  for (const [index, entry] of requests.entries()) {
    const id = entry.request.operationId;
    const repeat = known.get(id);
    const twin = seen.get(id);
    if (repeat !== undefined || twin !== undefined) {
      const hash = repeat?.hash ?? requests[twin ?? 0]?.hash;
      states.push(
        hash?.equals(entry.hash) === true
          ? { is: 'repeat', ...(repeat === undefined ? { twin: twin ?? 0 } : { repeat }) }
          : { is: 'failed', ...failed('conflict', 'another request was made under this operation id') },
      );
      continue;
    }
    const notHere = elsewhere.get(entry.tenant);
    if (notHere !== undefined) {
      states.push({ is: 'failed', failure: notHere });
      continue;
    }
    const applied = await applyOne(
      issuer,
      world,
      entry,
      schemas,
      await homes.of(issuer, entry.tenant, entry.request),
      on,
      candidates.get(entry) ?? new Map(),
      contents.get(entry.tenant) ?? new Set(),
      () => {
        late = true;
      },
    );
    if (applied.outcome === 'failed') {
      // The failure may be due to rows that were read after the search for repeats.
      if (late) {
        known = new Map([...known, ...(await findEarlierResults(issuer, [entry]))]);
        const repeated = known.get(id);
        if (repeated?.hash.equals(entry.hash) === true) {
          states.push({ is: 'repeat', repeat: repeated });
          continue;
        }
      }
      states.push({ is: 'failed', failure: applied.failure, operation: applied.operation });
      continue;
    }
    seen.set(id, index);
    const first = applied.changes[0]?.seq ?? 0;
    const last = applied.changes.at(-1)?.seq ?? 0;
    for (const change of applied.changes) written.changes.push({ change, first, last });
    for (const values of applied.values) written.values.push({ tenant: entry.tenant, values });
    written.replies.push({ operationId: id, hash: entry.hash, reply: replyJson({ first, last, operations: applied.operations }) });
    states.push({ is: 'applied', first, last, operations: applied.operations });
  }
  for (const [index, state] of states.entries()) {
    const entry = requests[index];
    if (entry !== undefined && state.is === 'failed') refusals.set(entry, refusal(state));
  }
  const writing = step('write and commit');
  const { base, epoch } = await writeAndCommit(issuer, written);
  writing?.end('ok');
  const outcomes: MutationOutcome[] = [];
  for (const state of states) outcomes.push(await outcomeOf(state, base, outcomes));
  const changes = written.changes.map(({ change, first, last }) => ({
    change: assignChangeSeqs(change, base, epoch, assignSeq(first, base), assignSeq(last, base)),
    attributesJson: change.attributesJson,
  }));
  return { outcomes, epoch, changes };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] extends readonly (infer Item)[] ? Item[] : T[Key] };

type RequestState =
  | { readonly is: 'failed'; readonly failure: Failure; readonly operation?: number }
  | { readonly is: 'applied'; readonly first: number; readonly last: number; readonly operations: readonly PendingResult[] }
  | { readonly is: 'repeat'; readonly repeat?: EarlierResult; readonly twin?: number };

const refusal = ({ failure, operation }: RequestState & { readonly is: 'failed' }): MutationOutcome => ({
  ok: false,
  failure,
  ...(operation === undefined ? {} : { operation }),
});

async function outcomeOf(state: RequestState, base: number, earlier: readonly MutationOutcome[]): Promise<MutationOutcome> {
  switch (state.is) {
    case 'failed':
      return refusal(state);
    case 'applied': {
      const operations = state.operations.map((operation) => ({
        ...operation,
        elements: operation.elements.map((element) => assignElementSeq(element, base)),
      }));
      return { ok: true, value: { first: assignSeq(state.first, base), last: assignSeq(state.last, base), operations } };
    }
    case 'repeat': {
      if (state.repeat !== undefined) return { ok: true, value: { ...state.repeat.result, repeated: true } };
      const twin = earlier[state.twin ?? 0];
      return twin?.ok === true
        ? { ok: true, value: { ...twin.value, repeated: true } }
        : (twin ?? { ok: false, failure: { code: 'internal' } });
    }
  }
}

/** Applies one request; loads and locks rows that its plan did not predict, and calls `onLoad` for each load. */
async function applyOne(
  issuer: Issuer,
  world: World,
  { tenant, defaultScope, request }: BatchRequest,
  schemas: Schemas,
  homeScope: string | undefined,
  on: number,
  candidates: ReadonlyMap<number, readonly string[]>,
  contents: ReadonlySet<string>,
  onLoad: () => void,
): Promise<Exclude<Applied, { outcome: 'needs' }>> {
  const context = { tenant, defaultScope, homeScope, on, newId: () => newVertexId(defaultScope), candidates, contents };
  for (let attempt = 0; attempt < MAX_NEEDS; attempt += 1) {
    const applied = applyRequest(world, request, context, schemas);
    if (applied.outcome !== 'needs') return applied;
    onLoad();
    const wanted = noRowsToLoad();
    addIds(wanted, applied.needs.ids);
    for (const id of applied.needs.adjacency) wanted.adjacency.add(id);
    for (const key of applied.needs.uniqueKeys) wanted.uniqueKeys.add(key);
    await loadRows(issuer, tenant, world.tenant(tenant), wanted);
  }
  return { outcome: 'failed', ...failed('too-large', 'the request touches too many elements that depend on each other'), operation: 0 };
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * A vertex id in HIRO 7's form (hiro-graph ids: two parts of 25 characters that begin with `c`): the second half of its scope's id, if that
 * has one, and a part of its own with the time followed by 96 random bits, so that ids created together are close in the index.
 */
function newVertexId(scope: string): string {
  const scopePart = /^c[a-z0-9]{24}_(c[a-z0-9]{24})$/.exec(scope)?.[1] ?? /^[A-Za-z0-9_-]{1,64}$/.exec(scope)?.[0] ?? newCuid();
  return `${scopePart}_${newCuid()}`;
}

/** 25 characters: `c`, eight of time, sixteen random. */
export function newCuid(): string {
  let random = '';
  while (random.length < 16) {
    for (const byte of randomBytes(24)) {
      // Bytes above the largest multiple of 36 would favour some characters.
      if (byte < 252 && random.length < 16) random += ALPHABET[byte % 36];
    }
  }
  return `c${Date.now().toString(36).padStart(8, '0')}${random}`;
}

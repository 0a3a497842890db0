/** Fills a tenant with every kind of data, and reads all of it back as clients see it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  CHUNK_BYTES,
  graphHistory,
  graphMutate,
  graphQuery,
  graphReadChunk,
  graphValues,
  graphWriteChunk,
  type MutationOutcome,
  type MutationRequest,
  type Operation,
} from '@polyedge/contracts/bus/graph';
import { groupClaim, groupCommit, groupList, groupOpen } from '@polyedge/contracts/bus/groups';
import type { Change } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';
import { requestOf } from '../../services/graph-store/test/running-store.ts';

const TIMEOUT = { timeoutMs: 30_000 };
const BLOB = 'a-blob-of-two-chunks';
const BLOB_BYTES = Buffer.concat([Buffer.alloc(CHUNK_BYTES, 7), Buffer.from('and a rest')]);
const GROUP = 'readers';
/** Plain elements, of which the group has confirmed about half. */
const PLAIN = 40;

/** Sends requests in one message, each of which must succeed. */
export async function write(bus: Bus, tenant: string, ...requests: readonly MutationRequest[]) {
  const reply = await bus.request(
    graphMutate,
    graphMutate.subject({ tenant }),
    { defaultScope: 'scope', requests: [...requests] },
    TIMEOUT,
  );
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value.outcomes.map((outcome) => {
    assert.ok(outcome.ok, JSON.stringify(outcome));
    return outcome.value;
  });
}

/** Sends one request, which may fail. */
export async function attempt(bus: Bus, tenant: string, ...operations: Operation[]): Promise<MutationOutcome> {
  const outcome = await attemptOnce(bus, tenant, ...operations);
  assert.ok(outcome);
  return outcome;
}

/** The same; undefined if the request was not carried out at all. */
export async function attemptOnce(bus: Bus, tenant: string, ...operations: Operation[]): Promise<MutationOutcome | undefined> {
  const requests = [requestOf(...operations)];
  const reply = await bus.request(graphMutate, graphMutate.subject({ tenant }), { defaultScope: 'scope', requests }, TIMEOUT);
  return reply.ok ? reply.value.outcomes[0] : undefined;
}

const thing = (id: string, attributes: Element['attributes'] = {}): Operation => ({ op: 'create', type: 'test/Thing', id, attributes });

/**
 * Writes elements of every kind, with histories, series, a blob, a schema, and a group that has confirmed some of them.
 * @returns the requests, to be repeated
 */
export async function fill(bus: Bus, tenant: string): Promise<readonly MutationRequest[]> {
  const made = requestOf(thing('first', { text: 'a', big: 12345678901234567890n as never }), thing('second', { n: 1 }), {
    op: 'connect',
    out: 'first',
    verb: 'test/knows',
    in: 'second',
    attributes: { since: 2020 },
  });
  const looked = requestOf(
    { op: 'update', target: { id: 'second' }, set: { n: 2 } },
    { op: 'update', target: { id: 'first' }, set: { text: 'a' } },
  );
  // In one batch: the second depends on what the first has created.
  await write(bus, tenant, made, looked);
  await write(
    bus,
    tenant,
    requestOf({ op: 'create', type: 'test/Person', id: 'anna', xid: 'anna-x', attributes: { mail: 'anna@example.org' }, unique: ['mail'] }),
    requestOf({ op: 'create', type: 'test/Person', id: 'bert', attributes: { mail: 'bert@example.org' }, unique: ['mail'] }),
    requestOf({ op: 'create', type: 'space/Rules', id: 'schema', attributes: { of: { type: 'object', required: ['kind'] } } }),
  );
  // A unique key that passes to another element.
  await write(bus, tenant, requestOf({ op: 'update', target: { id: 'bert' }, set: { mail: 'robert@example.org' } }));
  await write(
    bus,
    tenant,
    requestOf({ op: 'create', type: 'test/Person', id: 'carl', attributes: { mail: 'bert@example.org' }, unique: ['mail'] }),
    requestOf(thing('gone', { n: 1 })),
    requestOf({ op: 'delete', target: { id: 'gone' } }),
    requestOf({
      op: 'write-values',
      target: { id: 'second' },
      values: [
        { at: 1000, value: 1 },
        { at: 2000, value: 2.5 },
      ],
    }),
    requestOf({ op: 'write-values', target: { id: 'second' }, values: [{ at: 1000, value: 'again' }] }),
  );
  for (const [index, data] of [BLOB_BYTES.subarray(0, CHUNK_BYTES), BLOB_BYTES.subarray(CHUNK_BYTES)].entries()) {
    const body = { content: BLOB, index, data: data.toString('base64'), last: index === 1, mediaType: 'text/plain' };
    const sent = await bus.request(graphWriteChunk, graphWriteChunk.subject({ tenant }), body, TIMEOUT);
    assert.ok(sent.ok, JSON.stringify(sent));
  }
  const attached = requestOf({ op: 'attach', target: { id: 'first' }, content: BLOB });
  await write(bus, tenant, attached);
  await write(bus, tenant, ...Array.from({ length: PLAIN }, (_, at) => requestOf(thing(`plain-${at}`, { at }))));
  await confirmHalf(bus, tenant);
  return [made, looked, attached];
}

/** Creates the group, and in each partition confirms what comes before the middle of the plain elements. */
async function confirmHalf(bus: Bus, tenant: string): Promise<void> {
  const opened = await bus.request(groupOpen, groupOpen.subject({ tenant }), { name: GROUP, start: 'smallest' }, TIMEOUT);
  assert.ok(opened.ok, JSON.stringify(opened));
  const { id: group, epoch, partitions } = opened.value;
  const middle = (await historyOf(bus, tenant)).find(({ id }) => id === `plain-${PLAIN / 2}`)?.seq ?? 0;
  const direct = busOfTenant(bus, tenant);
  const all = Array.from({ length: partitions }, (_, partition) => ({ group, partition, fence: 3, position: middle }));
  assert.ok(
    (
      await direct.request(
        groupClaim,
        groupClaim.subject({}),
        { epoch, group, claims: all.map(({ partition, fence }) => ({ partition, fence })) },
        TIMEOUT,
      )
    ).ok,
  );
  const committed = await direct.request(groupCommit, groupCommit.subject({}), { epoch, positions: all, touched: [group] }, TIMEOUT);
  assert.deepEqual(committed, { ok: true, value: { fenced: [], gone: [] } });
}

async function historyOf(bus: Bus, tenant: string): Promise<readonly Change[]> {
  const read = await bus.request(graphHistory, graphHistory.subject({ tenant }), { order: 'asc', limit: 10_000 }, TIMEOUT);
  assert.ok(read.ok, JSON.stringify(read));
  assert.equal(read.value.more, false);
  return read.value.changes;
}

/** All data of a tenant as clients see it, independent of the journal: in place of its seq, a change has its place among the tenant's changes. */
export async function contentsOf(bus: Bus, tenant: string) {
  const history = await historyOf(bus, tenant);
  const places = new Map(history.map(({ seq }, place) => [seq, place + 1]));
  const placeOf = (seq: number): number | string => (seq === 0 ? 0 : (places.get(seq) ?? 'not kept'));
  const placed = (element: Element): unknown => ({ ...element, seq: placeOf(element.seq) });
  const queried = await bus.request(
    graphQuery,
    graphQuery.subject({ tenant }),
    { filter: { all: [] }, sort: [{ path: ['id'], order: 'asc' }], limit: 10_000, includeDeleted: true },
    TIMEOUT,
  );
  assert.ok(queried.ok, JSON.stringify(queried));
  const values = await bus.request(graphValues, graphValues.subject({ tenant }), { ids: ['second'], history: true }, TIMEOUT);
  assert.ok(values.ok, JSON.stringify(values));
  const chunks = [];
  for (const index of [0, 1]) {
    const read = await bus.request(graphReadChunk, graphReadChunk.subject({ tenant }), { content: BLOB, index }, TIMEOUT);
    assert.ok(read.ok, JSON.stringify(read));
    chunks.push(read.value);
  }
  const listed = await bus.request(groupList, groupList.subject({ tenant }), {}, TIMEOUT);
  assert.ok(listed.ok, JSON.stringify(listed));
  return {
    elements: queried.value.elements.map(placed),
    changes: history.map(({ epoch: _epoch, seq, first, last, state, undo, ...rest }) => ({
      ...rest,
      seq: placeOf(seq),
      first: placeOf(first),
      last: placeOf(last),
      state: state && placed(state),
      undo: undo && { ...undo, seq: placeOf(undo.seq) },
    })),
    values: values.value.values,
    chunks,
    // A position is represented by the changes after it.
    groups: listed.value.groups.map(({ name, positions }) => ({
      name,
      positions: positions.map(({ partition, position }) => ({ partition, left: history.filter(({ seq }) => seq > position).length })),
    })),
  };
}

/** The answer to a repeated request, with the places of changes instead of their seqs. */
export async function repeat(bus: Bus, tenant: string, requests: readonly MutationRequest[]): Promise<unknown> {
  const places = new Map((await historyOf(bus, tenant)).map(({ seq }, place) => [seq, place + 1]));
  const results = await write(bus, tenant, ...requests);
  return results.map(({ first, last, repeated, operations }) => ({
    repeated,
    first: places.get(first),
    last: places.get(last),
    operations: operations.map((operation) => ({
      ...operation,
      elements: operation.elements.map((element) => ({ ...element, seq: places.get(element.seq) })),
    })),
  }));
}

/** Adds elements to another tenant, so that seqs differ between the journals. */
export async function addOthers(bus: Bus, tenant: string, count: number): Promise<void> {
  await write(bus, tenant, ...Array.from({ length: count }, () => requestOf(thing(`other-${randomBytes(6).toString('hex')}`))));
}

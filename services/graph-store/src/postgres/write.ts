/** Writes the results of a batch, in statements that are sent together with its COMMIT. */

import { operationTime } from '@polyedge/contracts/operation-id';
import { CONTENT_ATTRIBUTE } from '../core/content-attribute.ts';
import type { PendingChange, PendingValues } from '../core/pending.ts';
import { splitKey } from '../core/unique.ts';
import type { World } from '../core/world.ts';
import { dayOf } from './partitions.ts';
import type { Issuer } from './pipeline.ts';

/** A successful request, remembered for repeats. */
export interface StoredReply {
  readonly operationId: string;
  readonly hash: Buffer;
  /** JSON of the reply, with pending seqs instead of states. */
  readonly reply: string;
}

/** Everything one batch writes. */
export interface Written {
  readonly world: World;
  /** In order; the n-th has the pending seq −n. `first` and `last` are pending seqs of its request. */
  readonly changes: readonly { readonly change: PendingChange; readonly first: number; readonly last: number }[];
  readonly values: readonly { readonly tenant: string; readonly values: PendingValues }[];
  readonly replies: readonly StoredReply[];
}

const CHANGES = `
  n bigint, final boolean, stored boolean, slot smallint, tenant text, element text, kind text, type text, scope text, xid text, attributes json,
  version bigint, created_on bigint, created_by text, created_app text, modified_on bigint, modified_by text, modified_app text, deleted boolean,
  out_id text, in_id text, out_type text, in_type text, unique_names text[], content text, owners text[], action text, undo json, seq_before bigint,
  protocol text, way text, operation text, operation_id text, first bigint, last bigint`;

const ELEMENT = `tenant, id, kind, type, scope, xid, attributes, version, seq, created_on, created_by, created_app, modified_on, modified_by,
      modified_app, deleted, out_id, in_id, out_type, in_type, unique_names, content`;
const ATTRIBUTES = 'case when n = $4::bigint then $5::json else attributes end';
const VALUES = ELEMENT.replace(' id,', ' element,').replace('attributes', 'searched').replace(' seq,', ' s.base + n,');

// Existing rows are written by key (`on conflict`) rather than by a join: the planner, using the statistics of a young table, would scan it
// for the join. They were locked when they were read, so the conflict is certain; a new row must still fail if another transaction has
// inserted it meanwhile.
/**
 * Parses its parameters first (so that parsing a megabyte does not delay other commits), locks the sequencer (so everything before is done
 * and seq follows commit order), then writes states, journal and operations.
 *
 * Parameters: the changes, their number, the requests to remember; and the attributes and the undo of the change with the number `$4`,
 * which the first parameter lacks: large values are parsed only once.
 */
export const WRITE = `
  with c as materialized (
    select *, case when final then ${ATTRIBUTES}::jsonb end as searched from json_to_recordset($1::json) as c(${CHANGES})),
  s as materialized (
    update sequencer set seq = seq + $2::bigint where (select count(*) from c) = $2::bigint returning seq - $2::bigint as base, epoch),
  inserted as (
    insert into element (${ELEMENT}) select ${VALUES} from c, s where final and not stored),
  updated as (
    insert into element (${ELEMENT}) select ${VALUES} from c, s where final and stored
    on conflict (tenant, id) do update set type = excluded.type, scope = excluded.scope, xid = excluded.xid, attributes = excluded.attributes,
      version = excluded.version, seq = excluded.seq, created_on = excluded.created_on, created_by = excluded.created_by,
      created_app = excluded.created_app, modified_on = excluded.modified_on, modified_by = excluded.modified_by,
      modified_app = excluded.modified_app, deleted = excluded.deleted, unique_names = excluded.unique_names, content = excluded.content),
  journaled as (
    insert into journal (seq, epoch, slot, tenant, element, kind, type, scope, xid, attributes, version, created_on, created_by, created_app,
      modified_on, modified_by, modified_app, deleted, out_id, in_id, out_type, in_type, owners, action, undo, seq_before, protocol, way, operation,
      operation_id, first_seq, last_seq)
    select s.base + n, s.epoch, slot, tenant, element, kind, type, scope, xid, ${ATTRIBUTES}, version, created_on, created_by, created_app,
      modified_on, modified_by, modified_app, deleted, out_id, in_id, out_type, in_type, owners, action, case when n = $4::bigint then $6::json else undo end,
      case when seq_before < 0 then s.base - seq_before else seq_before end, protocol, way, operation, operation_id, s.base - first, s.base - last
    from c, s),
  remembered as (
    insert into operation (day, id, hash, base, reply)
    select day, id, decode(hash, 'base64'), s.base, reply from s, json_to_recordset($3::json) as o(day integer, id text, hash text, reply json))
  select base, epoch from s`;
/** Minimum characters of a change whose values are sent as separate parameters. */
const LARGE_CHARACTERS = 64 * 1024;
/** The last three parameters if no change is large. */
const NONE_LARGE = ['0', 'null', 'null'];

/** Separate, because few writes need it, and as a part of `WRITE` it would cost every write a tenth. */
const USE_CONTENTS = `
  update content set used = true
  where tenant = $1 and not used and id in (select value collate "C" from json_array_elements_text($2::json))`;

const FREE_KEYS = `
  delete from unique_key k using json_to_recordset($2::json) as f(name text collate "C", value text collate "C")
  where k.tenant = $1 and k.name = f.name and k.value = f.value`;

const CLAIM_KEYS = `
  insert into unique_key (tenant, name, value, element)
  select $1::text, name, value, element from json_to_recordset($2::json) as k(name text, value text, element text)`;

const RETIRE_VALUES = `
  update series_value v set current = false from json_to_recordset($3::json) as w(at bigint)
  where v.tenant = $1 and v.element = $2 and v.at = w.at and v.current`;

const ADD_VALUES = `
  insert into series_value (tenant, element, at, value, expires_on, current)
  select $1::text, $2::text, at, value, expires_on, ordinal = max(ordinal) over (partition by at)
  from rows from (json_to_recordset($3::json) as (at bigint, value json, expires_on bigint)) with ordinality as w(at, value, expires_on, ordinal)
  order by ordinal`;

/**
 * Prepares the statement that locks the sequencer on a new connection, because statements are described before their first use: the
 * statements after it, the COMMIT too, would wait for those round trips while the sequencer is locked. Other statements are prepared on
 * first use: they precede it, and preparing them here would prolong an outage by two round trips each.
 */
export const prepareWrites = (issuer: Issuer): Promise<void> => issuer.prepare(WRITE, 6);

/** The sequencer's value before a batch, and its epoch. */
export interface Committed {
  readonly base: number;
  readonly epoch: string;
}

/**
 * Issues the last statements of a batch and its COMMIT without waiting in between, so that the sequencer's lock is never held across a
 * round trip.
 * @returns the sequencer's value before the batch, and the epoch. Fails if anything failed; nothing was written then
 */
export async function writeAndCommit(issuer: Issuer, written: Written): Promise<Committed> {
  const work: Promise<unknown>[] = [];
  for (const [tenant, rows] of written.world.tenants()) {
    const { freed, claimed } = rows.keyChanges();
    if (freed.length > 0) {
      work.push(issuer.issue(FREE_KEYS, [tenant, JSON.stringify(freed.map(splitKey))]));
    }
    if (claimed.length > 0) {
      const keys = claimed.map(({ key, id }) => ({ ...splitKey(key), element: id }));
      work.push(issuer.issue(CLAIM_KEYS, [tenant, JSON.stringify(keys)]));
    }
  }
  for (const [tenant, contents] of contentsOf(written)) work.push(issuer.issue(USE_CONTENTS, [tenant, JSON.stringify(contents)]));
  for (const { tenant, values } of written.values) work.push(...writeValues(issuer, tenant, values));
  const { rows, large } = changesJson(written);
  // A batch in which every request failed writes nothing, so it need not lock the sequencer.
  const write =
    written.changes.length === 0 && written.replies.length === 0
      ? issuer.issue<Committed>('select seq as base, epoch from sequencer')
      : issuer.issue<Committed>(WRITE, [rows, String(written.changes.length), rememberedJson(written.replies), ...large]);
  const commit = issuer.issue('commit');
  work.push(write, commit);
  const results = await Promise.allSettled(work);
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason;
  }
  // The COMMIT of a failed transaction is answered with ROLLBACK, without an error.
  const { command } = await commit;
  if (command !== 'COMMIT') throw new Error(`COMMIT was answered ${command}`);
  const [row] = (await write).rows;
  if (row === undefined) throw new Error('the sequencer has no row');
  return row;
}

/** The blobs that the elements of a batch refer to, by tenant. */
function contentsOf({ changes }: Written): Map<string, string[]> {
  const contents = new Map<string, string[]>();
  for (const { change } of changes) {
    const content = change.state.attributes[CONTENT_ATTRIBUTE];
    if (typeof content !== 'string') continue;
    const ofTenant = contents.get(change.tenant) ?? [];
    contents.set(change.tenant, ofTenant);
    ofTenant.push(content);
  }
  return contents;
}

function writeValues(issuer: Issuer, tenant: string, { id, values }: PendingValues): Promise<unknown>[] {
  const rows = JSON.stringify(
    values.map(({ at, value, ttlMs }) => ({ at, value, expires_on: ttlMs === undefined ? null : Date.now() + ttlMs })),
  );
  return [RETIRE_VALUES, ADD_VALUES].map((text) => issuer.issue(text, [tenant, id, rows]));
}

/** The changes as JSON, and the last three parameters of `WRITE`. */
function changesJson({ world, changes }: Written): { readonly rows: string; readonly large: readonly string[] } {
  // Pending seqs are unique in the batch: an element's row is written by its last change.
  const finals = new Map<number, boolean>();
  for (const [, rows] of world.tenants()) {
    for (const { row, stored } of rows.finalRows()) finals.set(row.element.seq, stored);
  }
  let largest = LARGE_CHARACTERS;
  let large: readonly string[] = NONE_LARGE;
  const texts = changes.map(({ change }, index) => {
    const { seq: _, ...undone } = change.undo;
    const undoJson = JSON.stringify(undone);
    const characters = change.attributesJson.length + undoJson.length;
    if (characters > largest) {
      largest = characters;
      large = [String(index + 1), change.attributesJson, undoJson];
    }
    return undoJson;
  });
  const rows = changes.map((pending, index) => {
    const row = rowJson(pending, index + 1, finals.get(pending.change.state.seq));
    // These are JSON text already, and inserting them saves serializing them again.
    return large[0] === String(index + 1)
      ? row
      : `${row.slice(0, -1)},"attributes":${pending.change.attributesJson},"undo":${texts[index]}}`;
  });
  return { rows: `[${rows.join(',')}]`, large };
}

/** @param stored undefined if a later change of the batch writes the element's row */
function rowJson({ change, first, last }: Written['changes'][number], n: number, stored: boolean | undefined): string {
  const { state } = change;
  return JSON.stringify({
    n,
    final: stored !== undefined,
    stored: stored ?? false,
    slot: change.slot,
    tenant: change.tenant,
    element: change.id,
    kind: change.kind,
    type: change.type,
    scope: change.scope,
    xid: state.xid,
    version: change.version,
    created_on: state.created.on,
    created_by: state.created.by,
    created_app: state.created.app,
    modified_on: state.modified.on,
    modified_by: state.modified.by,
    modified_app: state.modified.app,
    deleted: state.deleted,
    out_id: state.out,
    in_id: state.in,
    out_type: state.outType,
    in_type: state.inType,
    unique_names: change.uniqueNames,
    content: state.attributes[CONTENT_ATTRIBUTE],
    owners: change.owners,
    action: change.action,
    seq_before: change.undo.seq,
    protocol: change.origin.protocol,
    way: change.origin.way,
    operation: change.origin.operation,
    operation_id: change.operationId,
    first,
    last,
  });
}

function rememberedJson(remembered: readonly StoredReply[]): string {
  const rows = remembered.map(({ operationId, hash, reply }) => {
    const rest = JSON.stringify({ day: dayOf(operationTime(operationId)), id: operationId, hash: hash.toString('base64') });
    return `${rest.slice(0, -1)},"reply":${reply}}`;
  });
  return `[${rows.join(',')}]`;
}

/** Stored results, which make a repeated request return its first result instead of taking effect twice. */
import type { MutationResult } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { operationTime } from '@polyedge/contracts/operation-id';
import type { PendingResult } from '../core/pending.ts';
import { assignSeq } from '../core/pending.ts';
import { dayOf } from './partitions.ts';
import type { Issuer } from './pipeline.ts';
import { JOURNAL_COLUMNS, type JournalRow, toChange } from './rows.ts';

export interface EarlierResult {
  readonly hash: Buffer;
  readonly result: MutationResult;
}

/** A reply as stored. Elements that the batch changed are stored as the pending seq of their change; those that it only read, in full. */
export interface StoredReply {
  readonly first: number;
  readonly last: number;
  readonly operations: readonly (Omit<PendingResult, 'elements'> & { readonly elements: readonly (number | Element)[] })[];
}

export function replyJson(result: {
  readonly first: number;
  readonly last: number;
  readonly operations: readonly PendingResult[];
}): string {
  const stored: StoredReply = {
    first: result.first,
    last: result.last,
    operations: result.operations.map(({ elements, ...rest }) => ({
      ...rest,
      elements: elements.map((element) => (element.seq < 0 ? element.seq : element)),
    })),
  };
  return JSON.stringify(stored);
}

/** The stored results of requests that have succeeded before, by operation id. */
export async function findEarlierResults(
  issuer: Issuer,
  requests: readonly { readonly request: { readonly operationId: string } }[],
): Promise<Map<string, EarlierResult>> {
  const ids = requests.map(({ request: { operationId: id } }) => ({ day: dayOf(operationTime(id)), id }));
  const rows = await issuer.rows<{ id: string; hash: Buffer; base: number; reply: StoredReply }>(
    `select o.id, o.hash, o.base, o.reply from json_to_recordset($1::json) as w(day integer, id text collate "C")
     cross join lateral (select * from operation o where o.day = w.day and o.id = w.id offset 0) o`,
    [JSON.stringify(ids)],
  );
  const repeats = new Map<string, EarlierResult>();
  for (const { id, hash, base, reply } of rows) {
    const seqs = reply.operations
      .flatMap(({ elements }) => elements.filter((element) => typeof element === 'number'))
      .map((seq) => assignSeq(seq, base));
    const states = new Map<number, Element>();
    if (seqs.length > 0) {
      const found = await issuer.rows<JournalRow>(
        `select ${JOURNAL_COLUMNS} from journal where seq in (select value::bigint from json_array_elements_text($1::json))`,
        [JSON.stringify(seqs)],
      );
      for (const row of found) states.set(row.seq, toChange(row).state);
    }
    const operations: MutationResult['operations'] = reply.operations.map(({ elements, ...rest }) => ({
      ...rest,
      elements: elements.flatMap((element) => {
        const state = typeof element === 'number' ? states.get(assignSeq(element, base)) : element;
        return state === undefined ? [] : [state];
      }),
    }));
    repeats.set(id, { hash, result: { first: assignSeq(reply.first, base), last: assignSeq(reply.last, base), operations } });
  }
  return repeats;
}

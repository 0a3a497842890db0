/**
 * Copies the remembered operations of a chunk's changes, with the target's seqs, so that a write repeated after a move gets its first
 * result. Operations that changed nothing are not copied: they are evaluated again, as they had no effect.
 */
import type { Element } from '@polyedge/contracts/element';
import { operationTime } from '@polyedge/contracts/operation-id';
import { assignSeq } from '../core/pending.ts';
import type { Connection } from '../postgres/connect.ts';
import type { StoredReply } from '../postgres/idempotency.ts';
import { dayOf } from '../postgres/partitions.ts';
import { JOURNAL_COLUMNS, type JournalRow, toChange } from '../postgres/rows.ts';

/** The fields of a copied change that other rows refer to. */
export interface Outlined {
  readonly seq: number;
  readonly first: number;
  readonly last: number;
  readonly operation: string;
}

interface Stored {
  readonly day: number;
  readonly id: string;
  readonly hash: string;
  readonly base: number;
  readonly reply: StoredReply;
}

/** Returns rows for the target as JSON; `base` is the sequencer's value before the chunk. */
type Translated = (target: Connection, tenant: string) => Promise<{ readonly texts: string }>;

/**
 * Reads the operations of a chunk from the source. The returned function translates them, using the target's seqs for changes outside the
 * chunk.
 */
export async function readOperations(source: Connection, outline: readonly Outlined[]): Promise<Translated> {
  const wanted = outline
    .filter(({ seq, last }) => seq === last)
    .map(({ operation: id }) => ({ day: dayOf(operationTime(id)), id }))
    .filter(({ day }) => Number.isSafeInteger(day));
  const stored = await source.unsafe<Stored[]>(
    `select o.day, o.id, encode(o.hash, 'base64') as hash, o.base, o.reply from json_to_recordset($1::text::json) as w(day integer, id text collate "C")
     cross join lateral (select * from operation o where o.day = w.day and o.id = w.id offset 0) o`,
    [JSON.stringify(wanted)],
    { prepare: true },
  );
  const places = new Map(outline.map(({ seq }, at) => [seq, at + 1]));
  const outside = new Map<number, Element | undefined>();
  for (const { base, reply } of stored)
    for (const element of elementsOf(reply)) {
      const seq = typeof element === 'number' ? assignSeq(element, base) : element.seq;
      if (!places.has(seq)) outside.set(seq, typeof element === 'number' ? undefined : element);
    }
  const unknown = [...outside].filter(([, element]) => element === undefined).map(([seq]) => seq);
  if (unknown.length > 0) {
    const rows = await source.unsafe<JournalRow[]>(
      `select ${JOURNAL_COLUMNS} from journal where seq in (select value::bigint from json_array_elements_text($1::text::json))`,
      [JSON.stringify(unknown)],
    );
    for (const row of rows) outside.set(row.seq, toChange(row).state);
  }
  return async (target, tenant) => {
    const numbers = outside.size === 0 ? new Map<number, number>() : await numbersIn(target, tenant, [...outside.keys()]);
    const rows = stored.map((operation) => {
      const { base, reply } = translate(operation, places, (seq) => {
        const element = outside.get(seq);
        const now = numbers.get(seq);
        return element === undefined || now === undefined ? undefined : { ...element, seq: now };
      });
      return { day: operation.day, id: operation.id, hash: operation.hash, base, reply };
    });
    return { texts: JSON.stringify(rows) };
  };
}

const elementsOf = (reply: StoredReply): (number | Element)[] => reply.operations.flatMap(({ elements }) => [...elements]);

/** The target's seqs of changes; for missing ones, the seq that represents all of them. */
async function numbersIn(target: Connection, tenant: string, seqs: readonly number[]): Promise<Map<number, number>> {
  const rows = await target<{ was: number; now: number }[]>`
    select w.was, coalesce(s.now, a.floor) as now
    from arrival a cross join (select value::bigint as was from json_array_elements_text(${JSON.stringify(seqs)}::text::json)) w
    left join arrival_seq s on s.tenant = a.tenant and s.was = w.was where a.tenant = ${tenant}`;
  return new Map(rows.map(({ was, now }) => [was, now]));
}

/**
 * Translates a reply to another base. Changes of the chunk remain references; others are included in full.
 * @param places index of each of the chunk's changes by its seq in the source, from 1
 */
function translate(
  { base, reply }: Pick<Stored, 'base' | 'reply'>,
  places: ReadonlyMap<number, number>,
  outside: (seq: number) => Element | undefined,
): { readonly base: number; readonly reply: StoredReply } {
  const placeOf = (element: number | Element): number | undefined =>
    places.get(typeof element === 'number' ? assignSeq(element, base) : element.seq);
  const first = places.get(assignSeq(reply.first, base)) ?? 1;
  const last = places.get(assignSeq(reply.last, base)) ?? first;
  const lowest = Math.min(first, ...elementsOf(reply).map((element) => placeOf(element) ?? first));
  const pending = (place: number): number => lowest - 1 - place;
  return {
    base: lowest - 1,
    reply: {
      first: pending(first),
      last: pending(last),
      operations: reply.operations.map(({ elements, ...rest }) => ({
        ...rest,
        elements: elements.flatMap((element): (number | Element)[] => {
          const place = placeOf(element);
          if (place !== undefined) return [pending(place)];
          const found = outside(typeof element === 'number' ? assignSeq(element, base) : element.seq);
          return found === undefined ? [] : [found];
        }),
      })),
    },
  };
}

/** Deletes any number of elements of any size, in parts: one answer and one write of the store have bounds. */
import type { Filter } from '@polyedge/query/filter';
import { got, type Result, refused } from '../protocol/answer.ts';
import type { Graph } from './graph.ts';

/** The most elements of one part. */
const PART = 500;

export interface Deletion {
  /** The operation in SPACE's terms. */
  readonly operation: string;
  readonly by: string;
  readonly filter: Filter;
  /** Nobody waits for the change. */
  readonly quiet?: boolean;
  /** What is deleted in the same write as the elements of a part: selects it by their ids. */
  along?(ids: readonly string[]): Filter;
}

/**
 * Deletes the elements that match a filter until none is left. If it fails, some are deleted, and a repeated call deletes the rest.
 * @returns how many there were
 */
export async function deleteAll(graph: Graph, deletion: Deletion): Promise<Result<number>> {
  const { operation, by, filter, quiet = false, along } = deletion;
  let count = 0;
  for (let size = PART; ; ) {
    const found = await graph.some(filter, size);
    if (!found.ok) return refused(found.failure);
    const ids = found.value.map(({ id }) => id);
    if (ids.length === 0) return got(count);
    // The filter again: what was changed since it was found, and matches no more, stays.
    const targets: Filter[] = [{ all: [filter, { test: 'in', path: ['id'], values: ids }] }, ...(along === undefined ? [] : [along(ids)])];
    const operations = targets.map((where) => ({ op: 'delete', target: { where } }) as const);
    const written = await graph.write(operation, by, operations, quiet);
    if (written.ok) {
      count += written.value.operations[0]?.elements.length ?? 0;
      size = Math.min(PART, size * 2);
    } else if (written.failure.code !== 'too-large') {
      return refused(written.failure);
    } else if (ids.length > 1) {
      size = ids.length >> 1;
    } else if (along === undefined) {
      return refused(written.failure);
    } else {
      const emptied = await deleteAll(graph, { operation, by, filter: along(ids), quiet });
      if (!emptied.ok) return emptied;
    }
  }
}

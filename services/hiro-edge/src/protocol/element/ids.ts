import { createHash } from 'node:crypto';

/**
 * Ids in the form of HIRO 7, `<scope part>_<own part>`: two texts of 25 characters that begin with `c`. The scope part is the second half
 * of the scope's own id if that has this form, else derived from it, so all vertices of a scope share it.
 * @param seed unique to this vertex: the connection's nonce and a counter, or random bits
 */
function newVertexId(scope: string, seed: string): string {
  const own = /_(c[a-z0-9]{24})$/.exec(scope)?.[1];
  return `${own ?? cuid(`scope\0${scope}`)}_${cuid(`vertex\0${seed}`)}`;
}

/** 24 characters of base 36 hold 124 bits. */
function cuid(text: string): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return `c${BigInt(`0x${digest}`).toString(36).padStart(25, '0').slice(-24)}`;
}

/** Generates ids for the vertices of one connection, determined by the nonce. */
export function idsFrom(nonce: string): (scope: string) => string {
  let count = 0;
  return (scope) => {
    count += 1;
    return newVertexId(scope, `${nonce}\0${count}`);
  };
}

const PATH_WORDS: ReadonlySet<string> = new Set(['new', 'connect', 'query', 'xid', 'events', '.', '..']);

/** Whether an id equals a path of the REST API: a vertex with that id could not be addressed. */
export const isPathWord = (id: string): boolean => PATH_WORDS.has(id);

/** Ids derived from other ids, which clients must not give to vertices. */
export const isReservedId = (id: string): boolean => isPathWord(id) || /^(?:role|profile):/.test(id);

/** Edge ids are `out$$verb$$in`. */
export const isEdgeId = (id: string): boolean => id.split('$$').length === 3;

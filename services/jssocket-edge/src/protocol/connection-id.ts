/**
 * Connection ids, the public `target` of a client: shaped like the original's version 4 UUIDs. The first eight digits are the tag of the edge
 * that holds the connection, which routes them; the other digits are random (90 bits), so that ids cannot be guessed.
 */
const SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** @param tag eight hex digits @param nonce 32 random hex digits */
export function connectionId(tag: string, nonce: string): string {
  const variant = '89ab'[Number.parseInt(nonce[7] ?? '0', 16) % 4];
  return [tag, nonce.slice(0, 4), `4${nonce.slice(4, 7)}`, `${variant}${nonce.slice(8, 11)}`, nonce.slice(11, 23)].join('-');
}

/** The tag of the edge that holds a connection, or undefined for a text that is not a connection id. */
export const edgeOf = (id: string): string | undefined => (SHAPE.test(id) ? id.slice(0, 8) : undefined);

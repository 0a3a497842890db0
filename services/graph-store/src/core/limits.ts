/** The store's own limits. The limits of frames and edges are smaller; these hold whatever an edge accepts. */

/** UTF-8 bytes of an id, xid, type, scope or verb: three of them and two separators still fit an edge id, and a B-tree entry. */
export const MAX_NAME_BYTES = 512;

/** UTF-8 bytes of an edge id: two vertex ids, a verb and the separators. */
export const MAX_EDGE_ID_BYTES = 1600;

/** Bytes of an element's attributes as JSON. Larger ones are rejected with `too-large`; use blobs for bytes. */
export const MAX_ELEMENT_BYTES = 2 * 1024 * 1024;

/** Edges that one operation may delete together with their vertices: their rows are locked and journaled in one transaction. */
export const MAX_CASCADE = 10_000;

/** Elements that one operation may select by criteria, for the same reason. */
export const MAX_SELECTED = 10_000;

/** Characters of all states that one request may write. Without it, a thousand increments in an element of 2 MiB would write 2 GiB to the journal. */
export const MAX_REQUEST_STATE_CHARACTERS = 32 * 1024 * 1024;

/** The same for a whole batch, which is one message to PostgreSQL. Requests beyond it are answered `busy`, because they would fit into a batch of their own. */
export const MAX_BATCH_STATE_CHARACTERS = 64 * 1024 * 1024;

/** Owners of one state: each costs one message per change. */
export const MAX_OWNERS = 256;

/** Bytes of a stored JSON Schema: compiling one blocks the process. */
export const MAX_SCHEMA_BYTES = 64 * 1024;

/** Nodes of a stored schema with its references expanded, which can multiply. */
export const MAX_SCHEMA_NODES = 10_000;

/** Nodes of a schema times nodes of the value it is to check, roughly the steps of the check: a fraction of a second. */
export const MAX_SCHEMA_WORK = 5_000_000;

/** Steps per character of one regular expression in a schema, as counted by `compilePattern`. */
export const MAX_SCHEMA_PATTERN = 2_000;

/** Steps of all regular expressions while one value is checked: a fraction of a second. */
export const MAX_PATTERN_STEPS = 2_000_000;

/** Compiled schemas cached per process; the least recently used one is evicted. */
export const MAX_COMPILED_SCHEMAS = 256;

/** Unique attributes stored with an element; each is an additional row to write. */
export const MAX_UNIQUE_NAMES = 8;

/** Characters of the place in a failure's detail; longer ones are truncated. */
export const MAX_PLACE_CHARACTERS = 300;

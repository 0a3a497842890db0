/** The store's own limits. What a frame or an edge may send is smaller still; these hold whatever the edge let through. */

/** UTF-8 bytes of an id, xid, type, scope or verb: three of them and two separators still fit an edge id, and a B-tree entry. */
export const MAX_NAME_BYTES = 512;

/** UTF-8 bytes of an edge id: two vertex ids, a verb and the separators. */
export const MAX_EDGE_ID_BYTES = 1600;

/** Bytes of an element's attributes as JSON. Larger ones answer `too-large`; bytes belong into a blob. */
export const MAX_ELEMENT_BYTES = 2 * 1024 * 1024;

/** Edges that one operation may delete together with their vertices: their rows are locked and journaled in one transaction. */
export const MAX_CASCADE = 10_000;

/** Elements that one operation may select by criteria, for the same reason. */
export const MAX_SELECTED = 10_000;

/** Characters of all states that one request may write. Without it, a thousand increments inside an element of 2 MiB would journal 2 GiB. */
export const MAX_REQUEST_STATE_CHARACTERS = 32 * 1024 * 1024;

/** The same for a whole batch, which is one message to PostgreSQL. Requests beyond it are answered `busy`: alone they would fit. */
export const MAX_BATCH_STATE_CHARACTERS = 64 * 1024 * 1024;

/** Owners of one state: each costs one message per change. */
export const MAX_OWNERS = 256;

/** Bytes of a stored JSON Schema: compiling one blocks the process. */
export const MAX_SCHEMA_BYTES = 64 * 1024;

/** Nodes of a stored schema once its references are followed: references to references can multiply without end. */
export const MAX_SCHEMA_NODES = 10_000;

/** Nodes of a schema times nodes of the value it is to check, roughly the steps of the check: a fraction of a second. */
export const MAX_SCHEMA_WORK = 5_000_000;

/** Steps of one regular expression of a schema for a character, as `compilePattern` counts them. */
export const MAX_SCHEMA_PATTERN = 2_000;

/** Steps of all regular expressions while one value is checked: a fraction of a second. */
export const MAX_PATTERN_STEPS = 2_000_000;

/** Compiled schemas kept per process; the one unused for longest goes first. */
export const MAX_COMPILED_SCHEMAS = 256;

/** Unique attributes remembered with an element; each is a row to write with it. */
export const MAX_UNIQUE_NAMES = 8;

/** Characters of the place in a failure's detail. Longer ones are cut. */
export const MAX_PLACE_CHARACTERS = 300;

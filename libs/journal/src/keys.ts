/** Names of the keys: `{pe:<epoch>:<partition>}` is one slot of a cluster, so a script touches one partition and one node. */

/** What is known of a partition: fence, generation, seq of the newest entry, head. */
export const metaKey = (epoch: string, partition: number): string => `{pe:${epoch}:${partition}}:meta`;

/** The log itself. A rebuilt log is another generation, put in use when it is complete. */
export const logKey = (epoch: string, partition: number, generation: number): string => `{pe:${epoch}:${partition}}:log.${generation}`;

/** All keys of every epoch. */
export const ALL_KEYS = '{pe:*}:*';

/** The epoch that a key belongs to. */
export const epochOf = (key: string): string | undefined => /^\{pe:([^:}]+):/.exec(key)?.[1];

/**
 * Names of keys: `{pe:<epoch>:<partition>}` is one slot of a cluster, so a script touches one partition and one node. In journals other
 * than `main`, `<journal>/<epoch>` takes the place of the epoch.
 */
import { MAIN } from '@polyedge/contracts/journal';

/** The form of an epoch in a journal's keys. */
export const keyedEpoch = (journal: string, epoch: string): string => (journal === MAIN ? epoch : `${journal}/${epoch}`);

/** The state of a partition: fence, generation, seq of the newest entry, head. */
export const metaKey = (epoch: string, partition: number): string => `{pe:${epoch}:${partition}}:meta`;

/** The log itself. A rebuilt log is another generation, put in use when it is complete. */
export const logKey = (epoch: string, partition: number, generation: number): string => `{pe:${epoch}:${partition}}:log.${generation}`;

/**
 * The common prefix of a group's keys: one slot of a cluster. A group that expired and was created again has another id, so it never uses
 * the keys of the old one.
 */
export const groupKey = (epoch: string, group: number, what: 'members' | 'leases'): string => `{pe:${epoch}:g${group}}:${what}`;

/** Exists while the edge sends heartbeats. */
export const edgeKey = (epoch: string, edge: string): string => `{pe:${epoch}:e${edge}}:alive`;

/** All keys of every epoch of a journal, and of others if it is `main`. */
export const allKeys = (journal: string): string => `{pe:${keyedEpoch(journal, '*')}}:*`;

/** The epoch that a key belongs to, if the key is of this journal. */
export function epochOf(journal: string, key: string): string | undefined {
  const keyed = /^\{pe:([^:}]+):/.exec(key)?.[1];
  const prefix = keyedEpoch(journal, '');
  const epoch = keyed?.startsWith(prefix) === true ? keyed.slice(prefix.length) : undefined;
  return epoch?.includes('/') === true ? undefined : epoch;
}

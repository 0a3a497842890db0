/**
 * Names of the keys: `{pe:<epoch>:<partition>}` is one slot of a cluster, so a script touches one partition and one node. What belongs to another
 * journal than `main` has `<journal>/<epoch>` in place of the epoch.
 */
import { MAIN } from '@polyedge/contracts/journal';

/** What stands for an epoch of a journal in its keys. */
export const keyedEpoch = (journal: string, epoch: string): string => (journal === MAIN ? epoch : `${journal}/${epoch}`);

/** What is known of a partition: fence, generation, seq of the newest entry, head. */
export const metaKey = (epoch: string, partition: number): string => `{pe:${epoch}:${partition}}:meta`;

/** The log itself. A rebuilt log is another generation, put in use when it is complete. */
export const logKey = (epoch: string, partition: number, generation: number): string => `{pe:${epoch}:${partition}}:log.${generation}`;

/**
 * What all keys of one group begin with: one slot of a cluster. A group that expired and came back has another id, so what the old one left
 * behind is never taken for its own.
 */
export const groupKey = (epoch: string, group: number, what: 'members' | 'leases'): string => `{pe:${epoch}:g${group}}:${what}`;

/** Lives as long as the edge says so. */
export const edgeKey = (epoch: string, edge: string): string => `{pe:${epoch}:e${edge}}:alive`;

/** All keys of every epoch of a journal, and of others if it is `main`. */
export const allKeys = (journal: string): string => `{pe:${keyedEpoch(journal, '*')}}:*`;

/** The epoch that a key belongs to, if it is one of this journal. */
export function epochOf(journal: string, key: string): string | undefined {
  const keyed = /^\{pe:([^:}]+):/.exec(key)?.[1];
  const prefix = keyedEpoch(journal, '');
  const epoch = keyed?.startsWith(prefix) === true ? keyed.slice(prefix.length) : undefined;
  return epoch?.includes('/') === true ? undefined : epoch;
}

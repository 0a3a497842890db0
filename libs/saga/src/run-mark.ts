/**
 * Marks a runnable's write in the journal: which run made it, how deep that run is in a chain of runs, and whether anybody should be
 * notified. The mark is the operation of the change's origin, so it needs no attribute in any type of element.
 */
import type { Origin } from '@polyedge/contracts/change';

export interface RunMark {
  /** The runnable call. */
  readonly call: string;
  /** 1 for a run that a client's write started, one more for each run that another run started. */
  readonly depth: number;
  /** The id of the chain. */
  readonly chain: string;
  /** Written with `notify: false`: starts no script and notifies no socket. */
  readonly quiet: boolean;
  /** Written with `inline_parent: true`: scripts get the parent as it is when they are fired, not as it is when they run. */
  readonly inlineParent: boolean;
}

const MARK = /^run\/(\d{1,4})\/([0-9a-z-]{1,40})\/([0-9a-z-]{1,40})(\/parent)?(\/quiet)?$/;

export const markText = ({ call, depth, chain, quiet, inlineParent }: RunMark): string =>
  `run/${depth}/${chain}/${call}${inlineParent ? '/parent' : ''}${quiet ? '/quiet' : ''}`;

/** The mark of a runnable's change; undefined for other changes. */
export function markOf({ protocol, way, operation }: Origin): RunMark | undefined {
  if (protocol !== 'saga' || way !== 'job') return undefined;
  const found = MARK.exec(operation);
  if (found === null) return undefined;
  const [, depth = '', chain = '', call = '', parent, quiet] = found;
  return { call, chain, depth: Number(depth), quiet: quiet !== undefined, inlineParent: parent !== undefined };
}

/** Whether a change carries a mark with `quiet`. */
export const isQuiet = (origin: Origin): boolean => origin.operation.endsWith('/quiet') && markOf(origin)?.quiet === true;

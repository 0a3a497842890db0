/**
 * What a runnable's write tells whoever reads the journal: which run made it, how deep in a chain of runs that was, and whether anybody should
 * be told. It travels as the operation of the change's origin, so it costs no element an attribute, whatever its type.
 */
import type { Origin } from '@polyedge/contracts/change';

export interface RunMark {
  /** The runnable call. */
  readonly call: string;
  /** 1 for what a client's write fired, one more for each run that another run fired. */
  readonly depth: number;
  /** Names what began the chain. */
  readonly chain: string;
  /** Written with `notify: false`: no script runs and no socket hears. */
  readonly quiet: boolean;
}

const MARK = /^run\/(\d{1,4})\/([0-9a-z-]{1,40})\/([0-9a-z-]{1,40})(\/quiet)?$/;

export const markText = ({ call, depth, chain, quiet }: RunMark): string => `run/${depth}/${chain}/${call}${quiet ? '/quiet' : ''}`;

/** The mark of a change that a runnable made; undefined for any other. */
export function markOf({ protocol, way, operation }: Origin): RunMark | undefined {
  if (protocol !== 'saga' || way !== 'job') return undefined;
  const found = MARK.exec(operation);
  if (found === null) return undefined;
  const [, depth = '', chain = '', call = '', quiet] = found;
  return { call, chain, depth: Number(depth), quiet: quiet !== undefined };
}

/** Only what says so is kept quiet. */
export const isQuiet = (origin: Origin): boolean => origin.operation.endsWith('/quiet') && markOf(origin)?.quiet === true;

/** What a made-up world has to have been in, and the topic rules that it is under. */
import type { JsonObject } from '@polyedge/query/json';
import { parseTopics, type Topics } from '../src/protocol/topics.ts';

/** States that a run has to have been in, for it to prove anything. */
export const STATES = [
  'congested window',
  'congested throttle',
  'congested while more rows are read',
  'snapshot while congested',
  'answer older than what was heard',
  'answer newer than what was heard',
  'more reads than run at once',
  'overflow',
  'initial:false with limit',
  'roles withdrawn while rows are read',
  'other rules while rows are read',
  'other rules while congested',
  'unsubscribed while rows are read',
  'left and came back while held back',
  'deleted and made again while held back',
  'positions after merging',
  'cut off while rows are read',
  'cut off while congested',
  'read failed',
] as const;
export type State = (typeof STATES)[number];
export type Reached = Readonly<Record<State, number>>;

const rulesWith = (orders: JsonObject): Topics => {
  const parsed = parseTopics({
    topics: {
      products: { roles: { anonymous: { read: {} } } },
      orders: { roles: { customer: { read: { rows: { userId: '$claims.sub' }, fields: ['*', '-note'], ...orders } } } },
    },
  });
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return parsed.value;
};
/** Equal to what was in force, and not: each a new object, as after every reading of the file. */
export const sameRules = () => rulesWith({});
export const otherRules = () => rulesWith({ fields: ['*', '-note', '-extra'] });

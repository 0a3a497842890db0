/**
 * Who takes part in a simulated system and what may fail in it, drawn from the seed of its history. Most histories have some of it only ("swarm
 * testing"): they differ more from each other, what is left out cannot hide what the rest does, and there is time for more of them. The others have
 * everything.
 */
import { Chance } from '@polyedge/simulation/virtual-time';

/** Kinds of faults: of a hundred events that happen to a whole system, so many are of this kind. The rest are writes. */
export const FAULTS = {
  ...{ 'network lost': 5, 'reading stops': 5, 'reading goes on': 6, 'breaking off': 4, 'edge killed': 4, 'store killed': 2 },
  ...{ 'edge frozen': 5, 'store frozen': 5, 'bus broken': 4, 'NATS restarts': 2, 'Redis away': 2, 'Redis wiped': 2, 'Redis set back': 2 },
  ...{ 'database away': 2, 'clock jumps': 1, 'move or failover': 1 },
} as const;
export type Fault = keyof typeof FAULTS;

/** Writers of HIRO take part always: without one nobody has anything to do. */
const OPTIONAL = [
  ...(['watcher', 'delta watcher', 'one', 'two', 'other', 'player', 'other player', 'query', 'short query', 'bridge'] as const),
  // Of the tenant that moves between two journals.
  ...(['far watcher', 'far', 'far query'] as const),
];
/** Clients by their names, groups by theirs, and JSSocket's bridges. */
export type Part = (typeof OPTIONAL)[number];

/** Whether this is the name of one. */
export const isPart = (name: string): name is Part => OPTIONAL.some((part) => part === name);

export interface Parts {
  readonly parts: ReadonlySet<Part>;
  readonly faults: ReadonlySet<Fault>;
  readonly hasTwoJournals: boolean;
  readonly isSlow: boolean;
  /** Processes of each kind at first; of stores for each journal. */
  readonly edges: number;
  readonly stores: number;
  /** One of these passes after an event. */
  readonly pausesMs: readonly number[];
}

/** Every so many-th seed has two journals, and a tenant that moves between them. */
const TWO_JOURNALS = 4;
/**
 * In every so many-th seed batches take long, and there are more processes: a batch begins while another one makes what it wants, and others write
 * that before it ends.
 */
const SLOW = { every: 10, from: 3 };
/** Of a hundred histories so many have everything; in the others so many of a hundred parts and kinds of faults take part. */
const WHOLE = 15;
const SHARE = 40;
const PAUSES_MS = [0, 1, 5, 20, 100, 700];
/** Most of what passes in a long pause is timers. Of a hundred of the other histories so many have none. */
const WITHOUT_LONG = 95;

/** @param whole everything takes part, whatever the seed draws */
export function partsOf(seed: number, whole: boolean): Parts {
  const chance = new Chance(Math.imul(seed, 0xc2b2ae35) ^ 0x27d4eb2f);
  const isSlow = seed % SLOW.every === SLOW.from;
  const most = isSlow ? 4 : 2;
  const fixed = { hasTwoJournals: seed % TWO_JOURNALS === 0, isSlow };
  const faults = Object.keys(FAULTS) as Fault[];
  if (chance.percent(WHOLE) || whole)
    return { ...fixed, parts: new Set(OPTIONAL), faults: new Set(faults), edges: most, stores: most, pausesMs: PAUSES_MS };
  const some = <Item>(items: readonly Item[]): Item[] => items.filter(() => chance.percent(SHARE));
  const parts = new Set(some(OPTIONAL));
  const possible = faults.filter((fault) => fault !== 'network lost' || parts.has('player') || parts.has('other player'));
  const chosen = new Set(some(possible));
  // Something fails in every history.
  if (chosen.size === 0) chosen.add('edge killed');
  // Who has stopped reading goes on some time.
  if (chosen.has('reading stops')) chosen.add('reading goes on');
  const few = (): number => (isSlow || chance.percent(75) ? most : 1);
  const pausesMs = chance.percent(WITHOUT_LONG) ? PAUSES_MS.slice(0, -1) : PAUSES_MS;
  return { ...fixed, parts, faults: chosen, edges: few(), stores: few(), pausesMs };
}

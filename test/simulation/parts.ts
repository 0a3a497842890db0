/**
 * The clients and kinds of faults of a simulated system, drawn from the seed of its history. Most histories have a random subset ("swarm testing"): they
 * differ more from each other, no part can hide the effects of another one in all of them, and they take less time. The others have everything.
 */
import { Chance } from '@polyedge/simulation/virtual-time';

/** Kinds of faults with their weights: the number of such events in a hundred, in a system with everything. The rest are writes. */
export const FAULTS = {
  ...{ 'network lost': 5, 'reading stops': 5, 'reading goes on': 6, 'breaking off': 4, 'edge killed': 4, 'store killed': 2 },
  ...{ 'edge frozen': 5, 'store frozen': 5, 'bus broken': 4, 'NATS restarts': 2, 'Redis away': 2, 'Redis wiped': 2, 'Redis set back': 2 },
  ...{ 'database away': 2, 'clock jumps': 1, 'move or failover': 1 },
} as const;
export type Fault = keyof typeof FAULTS;

/** HIRO's writers always take part: without them there are no changes. */
const OPTIONAL = [
  ...(['watcher', 'delta watcher', 'one', 'two', 'other', 'player', 'other player', 'query', 'short query', 'bridge'] as const),
  // Clients of the tenant that moves between two journals.
  ...(['far watcher', 'far', 'far query'] as const),
];
/** The name of a client, of a group, or JSSocket's bridges. */
export type Part = (typeof OPTIONAL)[number];

/** Whether a name is that of an optional part. */
export const isPart = (name: string): name is Part => OPTIONAL.some((part) => part === name);

export interface Parts {
  readonly parts: ReadonlySet<Part>;
  readonly faults: ReadonlySet<Fault>;
  readonly hasTwoJournals: boolean;
  readonly isSlow: boolean;
  /** The initial number of processes of each kind; of stores, in each journal. */
  readonly edges: number;
  readonly stores: number;
  /** The pauses after an event, one of which is chosen. */
  readonly pausesMs: readonly number[];
}

/** Every fourth seed has two journals, and a tenant that moves between them. */
const TWO_JOURNALS = 4;
/**
 * In every tenth seed batches take longer, and there are more processes: a batch can begin while another one creates an element that it needs, and third
 * ones can write that element before it ends.
 */
const SLOW = { every: 10, from: 3 };
/** Percentage of histories that have everything, and of the parts and kinds of faults that each of the others has. */
const WHOLE = 15;
const SHARE = 40;
const PAUSES_MS = [0, 1, 5, 20, 100, 700];
/** Percentage of the other histories that have no long pauses, in which hardly anything but timers happens. */
const WITHOUT_LONG = 95;

/** @param whole everything takes part, whatever the seed says */
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
  // Every history has faults.
  if (chosen.size === 0) chosen.add('edge killed');
  // Whoever stops reading must resume at some time.
  if (chosen.has('reading stops')) chosen.add('reading goes on');
  const few = (): number => (isSlow || chance.percent(75) ? most : 1);
  const pausesMs = chance.percent(WITHOUT_LONG) ? PAUSES_MS.slice(0, -1) : PAUSES_MS;
  return { ...fixed, parts, faults: chosen, edges: few(), stores: few(), pausesMs };
}

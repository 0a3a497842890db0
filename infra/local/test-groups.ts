import { matchesGlob, relative, resolve } from 'node:path';

/** Test files with the same requirements, in the order in which they run: the quickest first. */
type TestGroup = {
  readonly name: string;
  /** As it is called on the command line. */
  readonly short: string;
  readonly patterns: readonly string[];
  /** Runs only with `--with <this>`. */
  readonly apart?: string;
};

/**
 * Files that run one after the other when all others have ended: they load the machine themselves, or compare what the system does under
 * load with real time, and would measure their neighbours.
 */
const ALONE: readonly string[] = [
  'services/graph-store/test/login-flood.test.ts',
  'services/jssocket-edge/test/limits.test.ts',
  'test/{cluster,hostile-clients,last-calls,replicas,rolling}.test.ts',
  'test/containers/*.test.ts',
];

/**
 * Files that run before those, two at a time: what they compare with real time has room for how late they are themselves, and mostly they wait
 * for the ends of leases.
 */
const IN_PAIRS: readonly string[] = ['test/{groups,groups-moves}.test.ts'];

/** Files that take half a minute and more: each begins before the others of its group, so that none of them is the last to run, beside idle cores. */
const LONG: readonly string[] = [
  'services/gooduncle-edge/test/{model,requests}.test.ts',
  'services/graph-store/test/accounts.test.ts',
  'services/saga-edge/test/{many,authentication}.test.ts',
  'services/space-edge/test/{large-sets,last-one}.test.ts',
  'packages/gooduncle-client/test/edge.test.ts',
  'test/{clock,console,journals,publisher,readme,redis-cluster,restore,runnables,scripts-takeover,start}.test.ts',
  'test/simulation/system.test.ts',
];

const isOneOf = (file: string, patterns: readonly string[]): boolean => patterns.some((pattern) => matchesGlob(file, pattern));

export const takesLong = (file: string): boolean => isOneOf(file, LONG);

/** How many files may run at the same time as this one. */
export function neighbours(file: string): 'none' | 'one' | 'some' {
  if (isOneOf(file, ALONE)) return 'none';
  return isOneOf(file, IN_PAIRS) ? 'one' : 'some';
}

/** Files whose tests use the system of one scene, by a name for their process: the system is started once for all of them. */
const TOGETHER: Readonly<Record<string, string>> = {
  'gooduncle-scene': 'services/gooduncle-edge/test/{data,live,since}.test.ts',
  'hiro-scene': 'services/hiro-edge/test/{events,graph,series-and-history}.test.ts',
  'jssocket-events': 'services/jssocket-edge/test/{events,frames,notifications}.test.ts',
  'saga-large': 'services/saga-edge/test/{many,storages}.test.ts',
  'saga-scene': 'services/saga-edge/test/{fields,lists,operators,properties,roles,rooms,runnable-rooms}.test.ts',
  'space-rest': 'services/space-edge/test/{clients,contracts,contracts-of-services,contracts-together,rest,services,users}.test.ts',
  'store-scene': 'services/graph-store/test/{last-administrator,mutations,reads}.test.ts',
  scripts: 'test/{scripts,scripts-api,scripts-bounds}.test.ts',
};

/**
 * The process that a test file shares with others, by its name; undefined for one of its own. Unit tests share those of their folders: to start
 * a process and to load the sources that many of them import takes longer than most of them.
 */
export function sharedProcess(file: string): string | undefined {
  const unit = testGroups.find(({ short }) => short === 'unit');
  if (unit !== undefined && isOneOf(file, unit.patterns)) return `unit-${file.split('/')[0]}`;
  return Object.keys(TOGETHER).find((name) => matchesGlob(file, TOGETHER[name] ?? ''));
}

const root = resolve(import.meta.dirname, '../..');

const testGroups: readonly TestGroup[] = [
  { name: 'static checks', short: 'static', patterns: ['tools/static.test.ts'] },
  {
    name: 'unit and property tests',
    short: 'unit',
    patterns: [
      'tools/*/**/*.test.ts',
      'infra/**/*.test.ts',
      'libs/*/src/**/*.test.ts',
      'services/*/src/**/*.test.ts',
      'packages/*/src/**/*.test.ts',
    ],
  },
  {
    name: 'wire tests',
    short: 'wire',
    patterns: ['libs/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
  },
  // They need root and some minutes: docker-compose.yml in a container engine.
  { name: 'container tests', short: 'containers', patterns: ['test/containers/*.test.ts'], apart: 'containers' },
  { name: 'system tests', short: 'system', patterns: ['test/*.test.ts', 'test/!(containers)/**/*.test.ts'] },
];

/**
 * The groups to run.
 * @param wanted their short names on the command line; undefined for all
 * @param apart what `--with` says
 * @returns undefined if there is no group of one of these names
 */
export function groupsToRun(wanted: readonly string[] | undefined, apart: string | undefined): readonly TestGroup[] | undefined {
  const running = testGroups.filter((group) => group.apart === undefined || group.apart === apart);
  if (wanted === undefined) return running;
  return wanted.every((name) => running.some(({ short }) => short === name))
    ? running.filter(({ short }) => wanted.includes(short))
    : undefined;
}

/** Sums the duration of each group; `lines` returns one line per group that ran. */
export function groupTimes(): { add(file: string | undefined, ms: number): void; lines(): string[] } {
  const totals = new Map<string, { ms: number; tests: number }>();
  return {
    add(file, ms) {
      if (file === undefined) return;
      const path = relative(root, file);
      const group = testGroups.find(({ patterns }) => isOneOf(path, patterns));
      if (group === undefined) return;
      const total = totals.get(group.name) ?? { ms: 0, tests: 0 };
      totals.set(group.name, { ms: total.ms + ms, tests: total.tests + 1 });
    },
    lines() {
      return testGroups.flatMap(({ name }) => {
        const total = totals.get(name);
        return total === undefined ? [] : [`${name}: ${(total.ms / 1000).toFixed(1)} s of work`];
      });
    },
  };
}

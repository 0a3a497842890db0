import { matchesGlob, relative, resolve } from 'node:path';

/** Test files with the same requirements, in the order in which they run: the quickest first. */
type TestGroup = {
  readonly name: string;
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
  'test/{cluster,groups,groups-moved,groups-moves,hostile-clients,kill,last-calls,moves,redis-cluster,replicas,rolling}.test.ts',
  'test/containers/*.test.ts',
];

export const runsAlone = (file: string): boolean => ALONE.some((pattern) => matchesGlob(file, pattern));

const root = resolve(import.meta.dirname, '../..');

export const testGroups: readonly TestGroup[] = [
  { name: 'static checks', patterns: ['tools/static.test.ts'] },
  {
    name: 'unit and property tests',
    patterns: [
      'tools/*/**/*.test.ts',
      'infra/**/*.test.ts',
      'libs/*/src/**/*.test.ts',
      'services/*/src/**/*.test.ts',
      'packages/*/src/**/*.test.ts',
    ],
  },
  { name: 'wire tests', patterns: ['libs/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'packages/*/test/**/*.test.ts'] },
  // They need root and some minutes: docker-compose.yml in a container engine.
  { name: 'container tests', patterns: ['test/containers/*.test.ts'], apart: 'containers' },
  { name: 'system tests', patterns: ['test/*.test.ts', 'test/!(containers)/**/*.test.ts'] },
];

/** Sums the duration of each group; `lines` returns one line per group that ran. */
export function groupTimes(): { add(file: string | undefined, ms: number): void; lines(): string[] } {
  const totals = new Map<string, { ms: number; tests: number }>();
  return {
    add(file, ms) {
      if (file === undefined) return;
      const path = relative(root, file);
      const group = testGroups.find(({ patterns }) => patterns.some((pattern) => matchesGlob(path, pattern)));
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

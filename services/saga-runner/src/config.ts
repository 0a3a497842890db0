import { commonSettings, redisJournals, redisUrl } from '@polyedge/service-kit/common-settings';
import { boolean, choice, duration, integer, text, url } from '@polyedge/service-kit/settings';

/** Every setting of saga-runner: its own begin with `RUNNER_`. */
export const settings = {
  ...commonSettings({ port: 5407 }),
  redisUrl,
  redisJournals,
  tenants: text({ default: 'default', doc: 'The organizations whose scripts and jobs run here, separated by commas.' }),
  processes: integer({
    default: 2,
    min: 1,
    max: 64,
    unit: 'processes',
    doc: 'Processes shared by quick runnables. The same number is kept for runs that need a process of their own.',
  }),
  perProcess: integer({ default: 48, min: 1, max: 256, unit: 'runs', doc: 'Runs at once in one shared process.' }),
  perTenant: integer({ default: 96, min: 1, max: 1024, unit: 'runs', doc: 'Runs of one organization at once; further ones wait.' }),
  perRunnable: integer({
    default: 64,
    min: 1,
    max: 1024,
    unit: 'runs',
    doc: 'Runs of one script at once; further ones wait. They mostly wait for their writes, which are sent together.',
  }),
  maxWaiting: integer({
    default: 4096,
    min: 16,
    max: 1_000_000,
    unit: 'runs',
    doc: 'Waiting runs of one organization. Above it HTTP scripts and manual runs are rejected.',
  }),
  maxFired: integer({
    default: 1024,
    min: 2,
    max: 1_000_000,
    unit: 'runs',
    doc: 'Waiting runs of one organization that changes triggered, at most half of them of one script. Above it a script may have 16, and further changes wait in the journal.',
  }),
  wallMs: duration({ default: 30_000, min: 100, max: 600_000, doc: 'Time limit of a script.' }),
  jobWallMs: duration({ default: 600_000, min: 100, max: 86_400_000, doc: 'Time limit of a job.' }),
  cpuMs: duration({ default: 5000, min: 50, max: 600_000, doc: 'CPU time of one run; a job may use ten times as much.' }),
  memoryMb: integer({ default: 128, min: 16, max: 1024, unit: 'MiB', doc: 'Memory of one isolate.' }),
  maxLogLines: integer({ default: 500, min: 1, max: 100_000, unit: 'lines', doc: 'Log lines of one run.' }),
  maxLogBytes: integer({ default: 262_144, min: 1024, max: 16_777_216, unit: 'bytes', doc: 'Log bytes of one run.' }),
  maxCalls: integer({ default: 10_000, min: 1, max: 1_000_000, unit: 'calls', doc: 'Calls of the JavaScript API in one run.' }),
  maxCallsPerSecond: integer({ default: 1000, min: 1, max: 100_000, unit: 'calls', doc: 'The same in one second.' }),
  maxResultBytes: integer({ default: 1_048_576, min: 1024, max: 8_388_608, unit: 'bytes', doc: 'The longest answer of an HTTP script.' }),
  maxDepth: integer({ default: 32, min: 1, max: 1000, unit: 'runs', doc: 'The depth of a chain of runs that trigger each other.' }),
  maxChainRuns: integer({ default: 500, min: 1, max: 1_000_000, unit: 'runs', doc: 'Runs of one such chain in ten seconds.' }),
  fetch: choice(['off', 'listed', 'public'], {
    default: 'off',
    doc: 'What `fetch` may access: nothing, the hosts of `RUNNER_FETCH_HOSTS`, or any public address.',
  }),
  fetchHosts: text({ optional: true, doc: 'Hosts for `listed`, as `host` or `host:port`, separated by commas; they may be private ones.' }),
  packages: boolean({ default: false, doc: 'Whether npm packages may be installed.' }),
  registry: url({
    schemes: ['http', 'https'],
    optional: true,
    doc: 'The registry that packages come from; without it, that of npm itself.',
  }),
  keepRecordsMs: duration({
    default: 604_800_000,
    min: 0,
    max: 31_536_000_000,
    doc: 'How long runnable calls and logs are kept; 0 means forever.',
  }),
  requestTimeoutMs: duration({ default: 10_000, min: 100, max: 600_000, doc: 'The time-out of requests to graph-store.' }),
};

export type RunnerSettings = typeof settings;

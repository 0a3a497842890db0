import { commonSettings, redisUrl } from '@polyedge/service-kit/common-settings';
import { boolean, choice, duration, integer, text, url } from '@polyedge/service-kit/settings';

/** Every setting of saga-runner: its own begin with `RUNNER_`. */
export const settings = {
  ...commonSettings({ port: 5407 }),
  redisUrl,
  tenants: text({ default: 'default', doc: 'The organizations whose scripts and jobs run here, separated by commas.' }),
  processes: integer({
    default: 2,
    min: 1,
    max: 64,
    unit: 'processes',
    doc: 'Processes that quick runnables share. As many again are kept for runs that have one to themselves.',
  }),
  perProcess: integer({ default: 16, min: 1, max: 256, unit: 'runs', doc: 'Runs at once in one shared process.' }),
  perTenant: integer({ default: 32, min: 1, max: 1024, unit: 'runs', doc: 'Runs of one organization at once; further ones wait.' }),
  perRunnable: integer({ default: 8, min: 1, max: 1024, unit: 'runs', doc: 'Runs of one script at once; further ones wait.' }),
  maxWaiting: integer({
    default: 4096,
    min: 16,
    max: 1_000_000,
    unit: 'runs',
    doc: 'Runs of one organization that wait. Above it HTTP scripts and runs by hand are refused.',
  }),
  maxFired: integer({
    default: 1024,
    min: 2,
    max: 1_000_000,
    unit: 'runs',
    doc: 'Runs of one organization that changes fired and that wait, half of them of one script. Above it a script may have 16, and other changes wait in the journal.',
  }),
  wallMs: duration({ default: 30_000, min: 100, max: 600_000, doc: 'How long a script may take.' }),
  jobWallMs: duration({ default: 600_000, min: 100, max: 86_400_000, doc: 'How long a job may take.' }),
  cpuMs: duration({ default: 5000, min: 50, max: 600_000, doc: 'How much of a processor one run may use; a job ten times as much.' }),
  memoryMb: integer({ default: 128, min: 16, max: 1024, unit: 'MiB', doc: 'Memory of one isolate.' }),
  maxLogLines: integer({ default: 500, min: 1, max: 100_000, unit: 'lines', doc: 'Lines of log of one run.' }),
  maxLogBytes: integer({ default: 262_144, min: 1024, max: 16_777_216, unit: 'bytes', doc: 'The log of one run.' }),
  maxCalls: integer({ default: 10_000, min: 1, max: 1_000_000, unit: 'calls', doc: 'Calls of the JavaScript API in one run.' }),
  maxCallsPerSecond: integer({ default: 1000, min: 1, max: 100_000, unit: 'calls', doc: 'The same in one second.' }),
  maxResultBytes: integer({ default: 1_048_576, min: 1024, max: 8_388_608, unit: 'bytes', doc: 'The answer of an HTTP script.' }),
  maxDepth: integer({ default: 32, min: 1, max: 1000, unit: 'runs', doc: 'How deep a chain of runs may be that fire each other.' }),
  maxChainRuns: integer({ default: 500, min: 1, max: 1_000_000, unit: 'runs', doc: 'Runs of one such chain in ten seconds.' }),
  fetch: choice(['off', 'listed', 'public'], {
    default: 'off',
    doc: 'What `fetch` may ask: nothing, the hosts of `RUNNER_FETCH_HOSTS`, or any public address.',
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
    doc: 'How long runnable calls and logs are kept; 0 for ever.',
  }),
  requestTimeoutMs: duration({ default: 10_000, min: 100, max: 600_000, doc: 'How long an answer of graph-store is waited for.' }),
};

export type RunnerSettings = typeof settings;

// `npm test [-- WORD… [--group static|unit|wire|system] [--name PATTERN] [--with containers] [--short]]`: runs all tests except the container
// tests, or those of the groups (`--group` may be repeated), or the test files whose path contains one of the words. `npm run containers`
// runs only the container tests; `--short` skips the slow ones among them.
// The static checks are tests too, so that the runner's closing counts are complete.
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import {
  chromiumProgram,
  findProgram,
  findPython,
  kubectlProgram,
  natsProgram,
  redisProgram,
} from '@polyedge/testkit/servers/find-program';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { sharedServerVariables } from '@polyedge/testkit/servers/shared';
import { SERVERS_FOLDER_VARIABLE } from '@polyedge/testkit/servers/temporary-folder';
import { ClosingCounts } from './closing-counts.ts';
import { memoryFolder } from './memory-folder.ts';
import { groupsToRun, groupTimes, neighbours, sharedProcess, takesLong } from './test-groups.ts';
import { processesOf } from './test-processes.ts';

const root = resolve(import.meta.dirname, '../..');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    group: { type: 'string', multiple: true },
    name: { type: 'string' },
    with: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
});
const { with: wanted } = values;
/** Longest time of a file, see `test-file-limit.ts`: several times that of the slowest one. */
process.env.POLYEDGE_TEST_FILE_MS = String((wanted === 'containers' && !values.short ? 40 : 12) * 60_000);
if (values.short) process.env.POLYEDGE_TEST_SHORT = 'true';
// Tests log in thousands of times; those of floods of logins set the cost of production.
process.env.GRAPH_STORE_PASSWORD_COST ??= '10';
const groups = groupsToRun(values.group, wanted);
if (groups === undefined) {
  console.error(`There is no group of this name: ${values.group?.join(', ')}; there are static, unit, wire and system`);
  process.exit(1);
}
const files = groups
  .flatMap(({ patterns }) =>
    patterns
      .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: (name) => name.includes('node_modules') }).sort())
      .toSorted((one, other) => Number(takesLong(other)) - Number(takesLong(one))),
  )
  .filter((file) => positionals.length === 0 || positionals.some((word) => file.includes(word)));
if (files.length === 0) {
  console.error(`No test file has one of these in its path: ${positionals.join(' ')}`);
  process.exit(1);
}
const sources = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());

installPrograms();
const inMemory = memoryFolder();
if (inMemory !== undefined) process.env[SERVERS_FOLDER_VARIABLE] ??= inMemory;
say(`the data of servers is in ${process.env[SERVERS_FOLDER_VARIABLE] ?? tmpdir()}`);
await using servers = new AsyncDisposableStack();
await startShared('redis', /\bsharedRedis\b/, startRedis);
await startShared('postgres', /\bsharedPostgres\b/, () => startPostgres({ settings: { max_connections: '400' } }));

const folder = mkdtempSync(join(tmpdir(), 'polyedge-test-'));
servers.defer(() => rmSync(folder, { recursive: true, force: true }));
say(`${files.length} test files …`);
const times = groupTimes();
const closing = new ClosingCounts();
const reporter = new spec();
reporter.pipe(process.stdout, { end: false });
// Three at a time even on two cores: most of them wait for a server.
const some = Math.max(3, availableParallelism() - 1);
for (const [which, atOnce] of [
  ['some', some],
  ['one', 2],
  ['none', 1],
] as const)
  await runFiles(
    files.filter((file) => neighbours(file) === which),
    atOnce,
  );
// The runner's own closing counts stay last.
for (const message of [...times.lines(), ...closing.lines()])
  reporter.write({ type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } });
if (closing.summary !== undefined) reporter.write(closing.summary);
reporter.end();
await new Promise((resolve) => reporter.once('end', resolve));
// The same counts in one last line.
console.log(closing.sentence());
if (stop.signal.aborted) process.exitCode = 130;

/** Runs test files in this many processes at a time, and reports them. */
async function runFiles(some: readonly string[], concurrency: number): Promise<void> {
  if (some.length === 0 || stop.signal.aborted) return;
  const events = run({
    cwd: root,
    files: [...processesOf(some, sharedProcess, { root, folder })],
    concurrency,
    execArgv: ['--import', join(import.meta.dirname, 'test-file-limit.ts')],
    signal: stop.signal,
    ...(values.name === undefined ? {} : { testNamePatterns: [values.name] }),
  });
  for await (const event of events) {
    // A failure that the runner expects (todo) does not count as one.
    if (event.type === 'test:fail' && (event.data.todo === undefined || event.data.todo === false)) process.exitCode = 1;
    if ((event.type === 'test:pass' || event.type === 'test:fail') && event.data.nesting === 0)
      times.add(event.data.file, event.data.details.duration_ms);
    if (!closing.take(event) && !reporter.write(event)) await once(reporter, 'drain');
  }
}

/** Installs the programs of the chosen tests first, so that they do not compete for the package manager. */
function installPrograms(): void {
  findProgram(natsProgram, say);
  findProgram(redisProgram, say);
  if (/\bchromiumProgram\b/.test(sources)) findProgram(chromiumProgram, say);
  if (/\bkubectlProgram\b/.test(sources)) findProgram(kubectlProgram, say);
  if (/\bfindPython\b/.test(sources)) findPython(say);
}

async function startShared(kind: keyof typeof sharedServerVariables, needed: RegExp, begin: () => Promise<RunningServer>): Promise<void> {
  const variable = sharedServerVariables[kind];
  if (!needed.test(sources) || (process.env[variable] ?? '') !== '') return;
  const started = performance.now();
  const server = servers.use(await begin());
  process.env[variable] = server.url;
  say(`${kind} for all tests is ready on 127.0.0.1:${server.port} (${Math.round(performance.now() - started)} ms)`);
}

function say(line: string): void {
  console.log(`polyedge: ${line}`);
}

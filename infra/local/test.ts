// `npm test [-- WORD… [--name PATTERN] [--with containers] [--short]]`: runs all tests except the container tests, or the test files whose path
// contains one of the words. `npm run containers` runs only the container tests; `--short` skips the slow ones among them.
// A single run of Node's test runner includes the static checks, so that its closing counts are complete.
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { Transform } from 'node:stream';
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
import { groupTimes, testGroups } from './test-groups.ts';

const root = resolve(import.meta.dirname, '../..');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, with: { type: 'string' }, short: { type: 'boolean', default: false } },
});
const { with: wanted } = values;
/** A file that takes longer is considered hung. */
const fileMs = (wanted === 'containers' ? 20 : 6) * 60_000;
if (values.short) process.env.POLYEDGE_TEST_SHORT = 'true';
const files = testGroups
  .filter(({ apart }) => apart === undefined || apart === wanted)
  .flatMap(({ patterns }) =>
    patterns.flatMap((pattern) => globSync(pattern, { cwd: root, exclude: (name) => name.includes('node_modules') }).sort()),
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
await using servers = new AsyncDisposableStack();
await startShared('redis', /\bsharedRedis\b/, startRedis);
await startShared('postgres', /\bsharedPostgres\b/, () => startPostgres({ settings: { max_connections: '400' } }));

say(`${files.length} test files …`);
const times = groupTimes();
const events = run({
  cwd: root,
  files: files.map((file) => join(root, file)),
  // Three at a time even on two cores: most of them wait for a server.
  concurrency: Math.max(3, availableParallelism() - 1),
  timeout: fileMs,
  signal: stop.signal,
  ...(values.name === undefined ? {} : { testNamePatterns: [values.name] }),
});
events.on('test:fail', (event) => {
  // A failure that the runner expects (todo) does not count as one.
  if (event.todo === undefined || event.todo === false) process.exitCode = 1;
});
const withTimes = new Transform({
  objectMode: true,
  transform(
    event: { type: string; data: { message?: string; nesting?: number; file?: string; details?: { duration_ms?: number } } },
    _encoding,
    done,
  ) {
    if ((event.type === 'test:pass' || event.type === 'test:fail') && event.data.nesting === 0)
      times.add(event.data.file, event.data.details?.duration_ms ?? 0);
    // The runner's own closing counts begin with this line and must stay last.
    if (event.type === 'test:diagnostic' && event.data.nesting === 0 && event.data.message?.startsWith('tests ') === true) {
      for (const message of times.lines()) this.push({ type: 'test:diagnostic', data: { nesting: 0, message } });
    }
    done(null, event);
  },
});
const reporter = new spec();
events.pipe(withTimes).pipe(reporter).pipe(process.stdout, { end: false });
let counts = { tests: 0, passed: 0, skipped: 0, todo: 0 };
events.on('test:summary', (summary) => {
  // One per file, and one for all.
  if (summary.file === undefined) counts = summary.counts;
});
await new Promise((resolve) => reporter.once('end', resolve));
// The same counts in one last line.
const { tests, passed, skipped, todo } = counts;
console.log(`${passed} passed, ${tests - passed - skipped - todo} failed, ${skipped + todo} skipped`);
if (stop.signal.aborted) process.exitCode = 130;

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

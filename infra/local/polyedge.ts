/**
 * `npm run polyedge -- COMMAND`: the console's data, as text or with `--json`. It uses the console of the system that runs on this data
 * folder, or to the one of POLYEDGE_CONSOLE with the token of POLYEDGE_TOKEN.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { serviceProgram } from '@polyedge/testkit/servers/service';
import { readArguments } from './polyedge-arguments.ts';
import { bench, benchLines } from './polyedge-bench.ts';
import { accountLines, elementLines, groupLines, type ListedAccount, statusLines, tailLine, tenantLines } from './polyedge-text.ts';
import { addressOf, adminPassword, databaseOwnerUrl, fetchFrom, logIn, storeRedisUrl } from './running-system.ts';

const USAGE = `Usage: npm run polyedge -- COMMAND [--json]

  status                                  processes, connections, rates
  tail [--type T] [--id I] [--protocol P] [--actor A] [--count N]
                                          changes as they happen, until Ctrl-C
  get ID                                  an element with its edges and history
  groups                                  consumer groups, members, lag
  accounts                                accounts and their roles
  token                                   an access token of the administrator
  tenants [list]                          in which journal each organization is
  tenants place NAME --to JOURNAL         puts a new organization into a journal
  tenants move NAME --to JOURNAL          moves one with its data; again after an interruption; --to where it is undoes it
  bench [--seconds S] [--writers N]       how fast it takes writes and tells of them: 5 s, 8 writers

It finds the system that "npm start" runs. POLYEDGE_CONSOLE and POLYEDGE_TOKEN name another console and a token for it.`;

interface AccountPage {
  readonly accounts: readonly ListedAccount[];
  readonly next?: string;
}

/** The time-out of a request. */
const TIMEOUT_MS = 20_000;

const tenantsProgram = serviceProgram('graph-store').replace(/main\.ts$/, 'tenants.ts');
const tenantsEnv = (): NodeJS.ProcessEnv => ({
  ...process.env,
  POLYEDGE_MODE: 'local',
  DATABASE_ADMIN_URL: databaseOwnerUrl(),
  REDIS_URL: storeRedisUrl(),
});

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());

try {
  await main();
} catch (error) {
  if (!ended.signal.aborted) {
    console.error(`polyedge: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments(process.argv.slice(2));
  const [command = '', argument = ''] = positionals;
  const show = (value: unknown, lines: (value: never) => readonly string[]): void =>
    console.log(values.json ? JSON.stringify(value, undefined, 2) : lines(value as never).join('\n'));
  switch (command) {
    case 'status':
      return show(await ask('/api/status'), statusLines);
    case 'groups':
      return show(await ask('/api/groups'), groupLines);
    case 'accounts':
      return show({ accounts: await allAccounts() }, accountLines);
    case 'get':
      if (argument === '') throw new Error('which element? polyedge get ID');
      return show(await ask(`/api/element?id=${encodeURIComponent(argument)}`), elementLines);
    case 'tenants': {
      const [, what = 'list', name] = positionals;
      if (what === 'list') return show(JSON.parse(onJournals('list')), tenantLines);
      if ((what !== 'place' && what !== 'move') || name === undefined || values.to === undefined)
        throw new Error('tenants list, or tenants place NAME --to JOURNAL, or tenants move NAME --to JOURNAL');
      if (what === 'move') {
        process.exitCode = await showOnJournals('move', name, values.to);
        return;
      }
      console.log(onJournals('place', name, values.to).trimEnd());
      return;
    }
    case 'token':
      console.log(await token());
      return;
    case 'bench': {
      const [seconds, writers] = [Number(values.seconds), Number(values.writers)];
      if (!(seconds > 0 && seconds <= 600 && Number.isInteger(writers) && writers > 0 && writers <= 1000))
        throw new Error('bench takes up to 600 seconds and 1000 writers');
      return show(await bench({ url: await hiroAddress(), token: await token(), seconds, writers, signal: ended.signal }), benchLines);
    }
    case 'tail': {
      const { json, count, type, id, protocol, actor } = values;
      const wanted = Object.entries({ type, id, protocol, actor }).filter((entry): entry is [string, string] => entry[1] !== undefined);
      await tail(new URLSearchParams(wanted), json, count === undefined ? Number.POSITIVE_INFINITY : Number(count));
      return;
    }
    default:
      console.log(USAGE);
      if (command !== '' && !values.help) process.exitCode = 2;
  }
}

/** Runs graph-store's own program for tenants, with the databases of the system on this machine. */
function onJournals(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tenantsProgram, ...args], { env: tenantsEnv(), encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.replace(/^graph-store: /, '').trim());
  return stdout;
}

/** The same, with its lines as they come. Ctrl-C ends both. @returns its exit code */
async function showOnJournals(...args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [tenantsProgram, ...args], { env: tenantsEnv(), stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}

/** As the console knows it, which may be another system's. */
async function hiroAddress(): Promise<string> {
  const session = await ask('/api/session');
  const edges = typeof session === 'object' && session !== null && 'edges' in session ? session.edges : undefined;
  const url = typeof edges === 'object' && edges !== null && 'hiro' in edges ? edges.hiro : undefined;
  if (typeof url !== 'string') throw new Error('the console has no address of hiro-edge (CONSOLE_EDGES)');
  return url;
}

async function token(): Promise<string> {
  return process.env.POLYEDGE_TOKEN ?? (await logIn(process.env.POLYEDGE_ADMIN_USERNAME ?? 'admin', adminPassword()));
}

async function open(path: string, signal: AbortSignal): Promise<Response> {
  const base = process.env.POLYEDGE_CONSOLE ?? addressOf('console');
  const response = await fetchFrom(new URL(path, base), { headers: { authorization: `Bearer ${await token()}` }, signal });
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => undefined);
  const error = typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : undefined;
  const sentence = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : '';
  throw new Error(`${sentence === '' ? 'the console refused' : sentence} (HTTP ${response.status})`);
}

async function ask(path: string): Promise<unknown> {
  const response = await open(path, AbortSignal.any([ended.signal, AbortSignal.timeout(TIMEOUT_MS)]));
  return response.json();
}

/** All pages of the list. Each needs the one before it. */
async function allAccounts(): Promise<readonly ListedAccount[]> {
  const accounts: ListedAccount[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = (await ask(`/api/accounts?${new URLSearchParams({ limit: '1000', after })}`)) as AccountPage;
    accounts.push(...page.accounts);
    after = page.next;
  }
  return accounts;
}

/** Prints changes until the given number, or until it is interrupted. */
async function tail(filter: URLSearchParams, asJson: boolean, count: number): Promise<void> {
  const response = await open(`/api/tail?${filter}`, ended.signal);
  let left = count;
  let text = '';
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const events = (text + part).split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const [, name = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
      if (name === 'live' && !asJson) console.error(`live after ${data}`);
      if (name === 'skipped') console.error(`${data}: up to so many changes were left out, more than can be read`);
      if (name !== 'change') continue;
      console.log(asJson ? data : tailLine(JSON.parse(data)));
      left -= 1;
      if (left <= 0) {
        ended.abort();
        return;
      }
    }
  }
}

/** The real thing: NATS, Redis, PostgreSQL, graph-store, four edges and the console, each a process of its own; and a browser. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumProgram, findProgram } from '@polyedge/testkit/servers/find-program';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { type Browser, chromium } from 'playwright-core';

export const ADMIN = { username: 'admin', password: 'admin-password' } as const;
const EDGES = ['hiro', 'saga', 'space', 'gooduncle'] as const;

export interface System extends AsyncDisposable {
  readonly url: string;
  readonly edges: Readonly<Record<(typeof EDGES)[number], string>>;
  readonly browser: Browser;
  /** What all services have logged. */
  logs(): string;
}

export async function startSystem(): Promise<System> {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'info' };
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-console-logs-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const start = async (name: string, env: Readonly<Record<string, string>> = {}): Promise<RunningService> =>
    parts.use(await startService({ name, env: { ...common, ...env }, logFile: join(folder, `${name}.log`) }));
  const program = findProgram(chromiumProgram);
  if (program.kind !== 'file') throw new Error('Chromium is needed as a program');
  const starting = chromium.launch({ executablePath: program.path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  const [, hiro, saga, space, gooduncle, , browser] = await Promise.all([
    start('graph-store', {
      POLYEDGE_ADMIN_USERNAME: ADMIN.username,
      POLYEDGE_ADMIN_PASSWORD: ADMIN.password,
      GRAPH_STORE_LOGIN_FAILURES_PER_ACCOUNT: '3',
    }),
    ...EDGES.map((name) => start(`${name}-edge`)),
    start('saga-runner'),
    starting,
  ] as const as [
    Promise<RunningService>,
    Promise<RunningService>,
    Promise<RunningService>,
    Promise<RunningService>,
    Promise<RunningService>,
    Promise<RunningService>,
    Promise<Browser>,
  ]);
  parts.defer(() => browser.close());
  const edges = { hiro: hiro.url, saga: saga.url, space: space.url, gooduncle: gooduncle.url };
  const console = await start('console', {
    CONSOLE_EDGES: Object.entries(edges)
      .map(([name, url]) => `${name}=${url}`)
      .join(','),
  });
  const kept = parts.move();
  const logs = () =>
    readdirSync(folder)
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
  return { url: console.url, edges, browser, logs, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** A request as sent by the page, unless `headers` override it. */
export async function ask(url: string, method = 'GET', body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { 'x-polyedge-console': '1', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
}

/** The cookies that an answer sets, as a browser would send them back to every path. */
export const cookiesOf = ({ headers }: Answer): string =>
  headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');

/** The session of the administrator. */
export async function logIn(url: string, who: { readonly username: string; readonly password: string } = ADMIN): Promise<string> {
  const answer = await ask(`${url}/api/session`, 'POST', who);
  if (answer.status !== 200) throw new Error(`login: ${answer.status} ${JSON.stringify(answer.body)}`);
  return cookiesOf(answer);
}

/** An access token from HIRO's login, for writing. */
export async function hiroToken(url: string): Promise<string> {
  const { body } = await ask(`${url}/api/auth/6.6/app`, 'POST', { client_id: 'test', client_secret: '', ...ADMIN });
  return String((body as { readonly _TOKEN?: string })._TOKEN); // hiro-edge returns one; otherwise the next call fails
}

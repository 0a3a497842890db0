// `npm start [-- --only SERVICE,…]`: runs the whole system on this machine, on loopback only, until Ctrl-C.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { commonSettings } from '@polyedge/service-kit/common-settings';
import type { Settings } from '@polyedge/service-kit/settings';
import { settingRows } from '@polyedge/service-kit/settings-table';
import { startNats } from '@polyedge/testkit/servers/nats';
import { createRole, startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer, ServerOptions } from '@polyedge/testkit/servers/server-process';
import { serviceProgram, startService } from '@polyedge/testkit/servers/service';
import { settings as storeSettings } from '../../services/graph-store/src/config.ts';
import { natsAccounts, natsUsers } from '../nats/accounts.ts';
import { redisAcl, redisUsers } from '../redis/users.ts';
import { type DataFolder, openDataFolder, passwordFor } from './data-folder.ts';
import { type Address, firstSuccess } from './first-success.ts';
import { keepRunning } from './keep-running.ts';
import { type Ports, ports } from './ports.ts';
import { tellOthers } from './running-system.ts';
import { type ServiceEntry, services, startVariables, wholeNumber } from './service-table.ts';

const maxReplicas = 16;
const servingRole = 'polyedge_serving';
const prepareMs = 120_000;
const maxLogBytes = 16 * 1024 * 1024;
const logSweepMs = 5_000;
/** A signal that arrives both from the terminal and through npm counts once; a later one means an immediate stop. */
const secondSignalMs = 1_500;

const started = performance.now();
const stop = new AbortController();
endOnSignals();

const running = new AsyncDisposableStack();
let failure: unknown;
try {
  await bringUp();
  if (!stop.signal.aborted) {
    say(`ready after ${((performance.now() - started) / 1000).toFixed(1)} s; Ctrl-C ends everything`);
    const alive = setInterval(() => {}, 60_000);
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
    clearInterval(alive);
  }
} catch (error) {
  failure = error;
}
if (failure !== undefined && !stop.signal.aborted)
  console.error(`\npolyedge: ${failure instanceof Error ? failure.message : String(failure)}`);
say('ending …');
await running.disposeAsync();
say('everything has ended');
process.exit(failure === undefined || stop.signal.aborted ? 0 : 1);

async function bringUp(): Promise<void> {
  const data = running.use(await openDataFolder(process.env.POLYEDGE_DATA));
  say(`data is in ${data.path}`);
  const table = services(parseArgs({ options: { only: { type: 'string' } } }).values.only);
  const free = ports([4222, 5432, 6379, ...table.flatMap(({ port }) => [port, port + 1000])]);
  const servers = await bringUpServers(data, free);
  const addresses: Address[] = [];
  const logs = join(data.path, 'logs');
  mkdirSync(logs, { recursive: true });
  const sweep = setInterval(() => boundLogs(logs), logSweepMs);
  running.defer(() => clearInterval(sweep));

  const store = table.filter(({ name }) => name === 'graph-store');
  const pages = table.filter(({ name }) => name === 'console');
  const edges = table.filter((each) => !store.includes(each) && !pages.includes(each));
  if (store.length > 0 && servers.databaseOwnerUrl !== undefined)
    await prepareDatabase(servers.environmentOf('graph-store'), servers.databaseOwnerUrl);
  for (const group of [store, edges, pages]) {
    const launches = [];
    for (const each of group) launches.push(...(await replicas(each, free)));
    const results = await Promise.allSettled(
      launches.map((launch) =>
        bringUpService(launch, data, logs, { ...servers.environmentOf(launch.name), ...toldOf(launch.name, addresses) }),
      ),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    addresses.push(...results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
    stop.signal.throwIfAborted();
  }
  const username = process.env.POLYEDGE_ADMIN_USERNAME ?? 'admin';
  const password = isGiven('POLYEDGE_ADMIN_PASSWORD') ? 'as in POLYEDGE_ADMIN_PASSWORD' : data.secrets.adminPassword;
  const line = ({ name, url }: Address) => `  ${name.padEnd(16)}${url}`;
  const isPage = ({ name }: Address) => name.startsWith('console');
  // The console's page first, then the addresses of the services.
  console.log(['', ...addresses.filter(isPage).map(line), `  administrator   ${username}   password ${password}`].join('\n'));
  for (const address of addresses) if (!isPage(address)) console.log(line(address));
  running.use(
    tellOthers(data.path, addresses, {
      databaseOwnerUrl: servers.databaseOwnerUrl,
      redisUrl: servers.environmentOf('graph-store').REDIS_URL,
    }),
  );
  console.log(firstSuccess(addresses));
}

/** The servers' addresses for a service, and the database's owner URL if `npm start` runs the database. */
type Servers = {
  readonly environmentOf: (service: string) => Record<string, string | undefined>;
  readonly databaseOwnerUrl: string | undefined;
};

/** Starts the servers that are not configured by variables, with a user per service; returns the environment of the services. */
async function bringUpServers(data: DataFolder, free: Ports): Promise<Servers> {
  const start = async (variable: string, name: string, port: number, begin: (options: ServerOptions) => Promise<RunningServer>) => {
    const given = process.env[variable];
    if (given !== undefined && given !== '') {
      say(`${name.padEnd(16)}is the one of ${variable}`);
      return { url: given, own: false };
    }
    const keep = keepRunning(name, say);
    const server = await begin({
      dir: join(data.path, name),
      port: await free.take(port),
      report: (line) => say(`  ${line}`),
      signal: stop.signal,
      onUnexpectedExit: (reason) => keep.died(reason),
    });
    keep.keep(server);
    running.use(server);
    running.defer(() => keep.release());
    say(`${name.padEnd(16)}is ready on 127.0.0.1:${server.port}${server.port === port ? '' : ` (${port} is taken by something else)`}`);
    return { url: server.url, own: true };
  };
  const password = (server: string, user: string) => passwordFor(data.secrets, `${server} ${user}`);
  const config = natsAccounts((service) => `"${password('nats', service)}"`);
  const acl = redisAcl((service) => `>${password('redis', service)}`);
  const results = await Promise.allSettled([
    start('NATS_URL', 'nats', 4222, (options) => startNats({ ...options, config })),
    start('REDIS_URL', 'redis', 6379, (options) => startRedis({ ...options, acl })),
    start('DATABASE_URL', 'postgres', 5432, startPostgres),
  ]);
  const [nats, redis, postgres] = results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  stop.signal.throwIfAborted();
  let databaseUrl = postgres?.url;
  if (postgres?.own === true) {
    await createRole(postgres.url, servingRole, password('postgres', servingRole));
    databaseUrl = withUser(postgres.url, servingRole, password('postgres', servingRole));
  }
  const tokenSecretGiven = ['SPACE_JWT_SECRET', 'JWT_SECRET'].some((name) => process.env[name] ?? process.env[`${name}_FILE`]);
  const common = {
    ...Object.fromEntries(startVariables.map((variable) => [variable, undefined])),
    POLYEDGE_ADMIN_USERNAME: process.env.POLYEDGE_ADMIN_USERNAME ?? 'admin',
    // Settings from the environment, or its files, are read by the services themselves.
    ...(isGiven('POLYEDGE_ADMIN_PASSWORD') ? {} : { POLYEDGE_ADMIN_PASSWORD: data.secrets.adminPassword }),
    ...(isGiven('POLYEDGE_SECRET_KEY') ? {} : { POLYEDGE_SECRET_KEY: data.secrets.secretKey }),
    // Credentials and certificates for another NATS, or the owner of another database, do not apply to our servers.
    ...(nats?.own === true ? notGiven(commonSettings({ port: 0 }), /^NATS_/) : {}),
    ...(postgres?.own === true ? notGiven(storeSettings, /^DATABASE_/) : {}),
  };
  return {
    databaseOwnerUrl: postgres?.own === true ? postgres.url : undefined,
    // Each service gets only its own password.
    environmentOf: (service) => ({
      ...common,
      ...(nats?.own === true && natsUsers.includes(service) ? { NATS_USER: service, NATS_PASSWORD: password('nats', service) } : {}),
      NATS_URL: nats?.url,
      REDIS_URL:
        redis?.own === true && redisUsers.includes(service) ? withUser(redis.url, service, password('redis', service)) : redis?.url,
      DATABASE_URL: service === 'graph-store' ? databaseUrl : undefined,
      ...(service === 'space-edge' && !tokenSecretGiven ? { SPACE_JWT_SECRET: password('pricing-tokens', service) } : {}),
    }),
  };
}

/** Whether a setting is in the environment, directly or through a file. */
function isGiven(name: string): boolean {
  return process.env[name] !== undefined || process.env[`${name}_FILE`] !== undefined;
}

/** The names of settings to remove from the services' environment. */
function notGiven(settings: Settings, names: RegExp): Record<string, undefined> {
  const all = settingRows('graph-store', settings).flatMap(({ name }) => (names.test(name) ? [name, `${name}_FILE`] : []));
  return Object.fromEntries(all.map((name) => [name, undefined]));
}

/** The console's page connects to the edges at their actual ports. */
function toldOf(service: string, addresses: readonly Address[]): Record<string, string> {
  if (service !== 'console' || isGiven('CONSOLE_EDGES')) return {};
  const edges = addresses.filter(({ name }) => name.endsWith('-edge'));
  return { CONSOLE_EDGES: edges.map(({ name, url }) => `${name.replace(/-edge$/, '')}=${url}`).join(',') };
}

/** Migrates the database as its owner, so that the store can serve without that privilege. */
async function prepareDatabase(environment: Record<string, string | undefined>, ownerUrl: string): Promise<void> {
  const program = serviceProgram('graph-store').replace(/main\.ts$/, 'prepare.ts');
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, POLYEDGE_MODE: 'local', ...environment, DATABASE_ADMIN_URL: ownerUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: prepareMs,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`The database could not be prepared:\n${output}`);
}

function withUser(url: string, user: string, password: string): string {
  const target = new URL(url);
  target.username = user;
  target.password = password;
  return target.href;
}

type Launch = {
  readonly name: string;
  readonly label: string;
  readonly wanted: number;
  readonly port: number;
  readonly metricsPort: number;
};

/** Allocates consecutive ports for a service and its replicas. */
async function replicas({ name, port, portVariable, replicasVariable }: ServiceEntry, free: Ports): Promise<Launch[]> {
  const count = wholeNumber(replicasVariable, 1, 1, maxReplicas);
  const first = wholeNumber(portVariable, port, 1, 64_535);
  const launches: Launch[] = [];
  for (let i = 0; i < count; i += 1) {
    const before = launches.at(-1)?.port;
    const own = before === undefined ? await free.take(first) : await free.takeAbove(before);
    launches.push({
      name,
      label: i === 0 ? name : `${name}-${i + 1}`,
      wanted: i === 0 ? first : own,
      port: own,
      metricsPort: await free.take(own + 1000),
    });
  }
  return launches;
}

async function bringUpService(launch: Launch, data: DataFolder, logs: string, env: Record<string, string | undefined>): Promise<Address> {
  const { name, label, wanted, port, metricsPort } = launch;
  const keep = keepRunning(label, say);
  const logFile = join(logs, `${label}.log`);
  const server = await startService({
    ...{ name, port, metricsPort, env, logFile, signal: stop.signal, dir: join(data.path, 'services', label) },
    ...((await speaksTls(name)) ? { certificate: 'any' } : {}),
    onUnexpectedExit: (reason) => keep.died(label === name ? reason : reason.replace(name, label)),
  });
  keep.keep(server);
  running.use(server);
  running.defer(() => keep.release());
  const moved = server.port === wanted ? '' : ` (${wanted} is taken by something else)`;
  say(`${label.padEnd(16)}is ready on ${server.url}${moved}; metrics ${server.metricsUrl}; log ${logFile}`);
  return { name: label, url: server.url };
}

/** Whether a service has a certificate setting, and the environment provides one. */
async function speaksTls(service: string): Promise<boolean> {
  if (!isGiven('TLS_CERT_FILE')) return false;
  const { settings }: { readonly settings: Settings } = await import(serviceProgram(service).replace(/main\.ts$/, 'config.ts'));
  return settingRows(service, settings).some(({ name }) => name === 'TLS_CERT_FILE');
}

/** The services append to their logs; a log that is too long is rotated once. */
function boundLogs(folder: string): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (!name.endsWith('.log') || statSync(file).size < maxLogBytes) continue;
    copyFileSync(file, `${file}.old`);
    truncateSync(file);
  }
}

function endOnSignals(): void {
  let first: number | undefined;
  const end = () => {
    if (first !== undefined && performance.now() - first > secondSignalMs) process.exit(130);
    first ??= performance.now();
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  // The bootstrap forwards signals; if it was killed, no signals arrive any more.
  const bootstrap = Number(process.env.POLYEDGE_BOOTSTRAP);
  if (bootstrap === process.ppid) setInterval(() => process.ppid === bootstrap || end(), 1_000).unref();
}

function say(line: string): void {
  console.log(`polyedge: ${line}`);
}

import { connect } from 'node:net';
import { until } from '../until.ts';
import { freePort } from './free-port.ts';
import { startRedis } from './redis.ts';
import type { RunningServer } from './server-process.ts';

/** A Redis Cluster on the loopback address: three primaries that share the slots, each with a replica. */
export interface RedisCluster extends AsyncDisposable {
  /** All servers; which of them are primaries changes. */
  readonly servers: readonly RunningServer[];
  /** Of one of them, with the others in the form that our settings have. With certificates it uses TLS, without naming the authority. */
  readonly url: string;
  /** Gives every server a command. */
  command(...command: readonly string[]): Promise<readonly string[]>;
  /** The servers that have slots, as a server that lives says. */
  primaries(): Promise<readonly RunningServer[]>;
  /** Resolves when every slot has a primary and each of these servers is one, or the replica of one, and linked to it. */
  whole(servers?: readonly RunningServer[]): Promise<void>;
}

const PRIMARIES = 3;
const SLOTS = 16_384;
/** How long a server may not answer before the others replace it. */
const NODE_TIMEOUT_MS = 1000;
const ANSWER_MS = 20_000;

/** Paths of PEM files. */
export interface ClusterCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Starts six servers, which anybody may ask, and makes them a cluster; resolves when it takes commands.
 * @param certificates the servers use TLS among themselves, and offer it to clients on a port of its own
 */
export async function startRedisCluster(certificates?: ClusterCertificates): Promise<RedisCluster> {
  await using parts = new AsyncDisposableStack();
  const servers = await Promise.all(
    Array.from({ length: 2 * PRIMARIES }, async () => {
      const bus = await freePort();
      const secure = certificates === undefined ? undefined : await secureArgs(certificates);
      const args = [
        ...['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--cluster-port', String(bus)],
        ...(secure?.args ?? []),
      ];
      // A replica that was only just made may be behind, and is better than none.
      const server = parts.use(await startRedis({ args: [...args, '--cluster-replica-validity-factor', '0'] }));
      return { server, bus, port: secure?.port ?? server.port };
    }),
  );
  const all = servers.map(({ server }) => server);
  const [first] = all;
  if (first === undefined) throw new Error('no server was started');
  const ids = await Promise.all(all.map((server) => ask(server, 'CLUSTER', 'MYID')));
  for (const [at, { server }] of servers.slice(0, PRIMARIES).entries()) {
    const from = Math.floor((at * SLOTS) / PRIMARIES);
    const to = Math.floor(((at + 1) * SLOTS) / PRIMARIES) - 1;
    await ask(server, 'CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    await ask(server, 'CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1));
  }
  for (const { port, bus } of servers.slice(1)) await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', String(port), String(bus));
  await until(
    'all servers know each other',
    async () => {
      const known = await Promise.all(all.map((server) => ask(server, 'CLUSTER', 'NODES')));
      return known.every((text) => ids.every((id) => text.includes(id)) && !text.includes('handshake'));
    },
    { mayThrow: true },
  );
  for (const [at, server] of all.slice(PRIMARIES).entries()) await ask(server, 'CLUSTER', 'REPLICATE', ids[at] ?? '');
  const whole = async (among: readonly RunningServer[] = all): Promise<void> => {
    await until(
      'every slot has a primary and every replica is linked to its own',
      async () => {
        const states = await Promise.all(among.map((server) => ask(server, 'CLUSTER', 'INFO')));
        const roles = await Promise.all(among.map((server) => ask(server, 'INFO', 'replication')));
        const primaries = roles.filter((text) => text.includes('role:master'));
        return (
          states.every((text) => text.includes('cluster_state:ok')) &&
          primaries.length === PRIMARIES &&
          roles.every((text) => text.includes('role:master') || text.includes('master_link_status:up'))
        );
      },
      { mayThrow: true },
    );
  };
  await whole();
  const kept = parts.move();
  const [one, ...others] = servers.map(({ port }) => `127.0.0.1:${port}`);
  return {
    servers: all,
    url: `${certificates === undefined ? 'redis' : 'rediss'}://${one}?${others.map((address) => `cluster=${address}`).join('&')}`,
    whole,
    command: (...command) => Promise.all(all.map((server) => ask(server, ...command))),
    async primaries() {
      for (const server of all) {
        const nodes = await ask(server, 'CLUSTER', 'NODES').catch(() => undefined);
        if (nodes === undefined) continue;
        // ID ADDRESS FLAGS PRIMARY PING PONG EPOCH LINK SLOT…
        const lines = nodes.split('\n').map((line) => line.split(' '));
        const ports = lines.flatMap(([, address = '', flags = '', ...rest]) =>
          flags.includes('master') && !flags.includes('fail') && rest.length > 5 ? [Number(/:(\d+)@/.exec(address)?.[1])] : [],
        );
        return all.filter(({ port }) => ports.includes(port));
      }
      throw new Error('no server of the cluster answers');
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function secureArgs({ ca, cert, key }: ClusterCertificates): Promise<{ readonly port: number; readonly args: readonly string[] }> {
  const port = await freePort();
  const files = ['--tls-ca-cert-file', ca, '--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no'];
  return { port, args: ['--tls-port', String(port), ...files, '--tls-cluster', 'yes', '--tls-replication', 'yes'] };
}

/** Asks one server, whatever the others think of it. Answers a text, or rejects with the server's error. */
function ask({ port }: RunningServer, ...command: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: ANSWER_MS }, () => socket.write(`${command.join(' ')}\r\n`));
    let received = '';
    const end = (failure: string | undefined, answer = ''): void => {
      socket.destroy();
      if (failure === undefined) resolve(answer);
      else reject(new Error(`${command.join(' ')}: ${failure}`));
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      received += chunk;
      const line = received.slice(0, Math.max(0, received.indexOf('\r\n')));
      if (line.startsWith('-')) return end(line);
      if (/^[+:]/.test(line)) return end(undefined, line.slice(1));
      // A text with its length before it.
      const body = received.slice(line.length + 2);
      if (line.startsWith('$') && body.length >= Number(line.slice(1)) + 2) end(undefined, body.slice(0, -2));
    });
    for (const event of ['error', 'timeout', 'close'] as const) socket.on(event, () => end(`no answer (${event})`));
  });
}

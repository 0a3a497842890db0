import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { findProgram, redisProgram } from './find-program.ts';
import { type RunningServer, type ServerOptions, startServer } from './server-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Options of `startRedis`. */
export type RedisOptions = ServerOptions & {
  /** Additional arguments, such as `['--maxmemory', '8mb']`. */
  readonly args?: readonly string[];
  /** Lines of its ACL file (`user NAME on >PASSWORD …`). With it, only these users can connect; without it, anybody can. */
  readonly acl?: readonly string[];
};

const answerMs = 2_000;

/**
 * Starts a real `redis-server` on the loopback address: append-only file synced every second, never evicting.
 * `await using redis = await startRedis()` ends it with the block.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RunningServer> {
  const program = findProgram(redisProgram, options.report);
  const dir = options.dir === undefined ? temporaryFolder('redis') : resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const container = `polyedge-${randomBytes(8).toString('hex')}`;
  const asking = options.acl === undefined ? undefined : writeAcl(dir, options.acl);
  const settings = [
    ...(asking === undefined ? [] : ['--aclfile', asking.file]),
    ...['--dir', dir, '--daemonize', 'no', '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'],
    ...['--maxmemory-policy', 'noeviction', ...(options.args ?? [])],
  ];
  return startServer(options.port, (port) => ({
    name: 'redis',
    url: `redis://127.0.0.1:${port}`,
    port,
    dir,
    mark: dir,
    ...(program.kind === 'file'
      ? { command: program.path, args: ['--port', String(port), '--bind', '127.0.0.1', ...settings] }
      : {
          command: 'docker',
          container,
          args: [
            ...['run', '--rm', '--name', container, '-p', `127.0.0.1:${port}:6379`, '-v', `${dir}:${dir}`],
            ...[program.image, 'redis-server', '--protected-mode', 'no', ...settings],
          ],
        }),
    answers: async (pid) => {
      const info = await ask(port, `${asking?.login ?? ''}PING\r\nINFO server\r\n`);
      return info.includes('+PONG') && (program.kind === 'image' || info.includes(`process_id:${pid}\r`));
    },
    temporary: options.dir === undefined,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
  }));
}

/** Writes the ACL file, with an additional user for our health check. */
function writeAcl(dir: string, lines: readonly string[]): { readonly file: string; readonly login: string } {
  const file = join(dir, 'users.acl');
  const password = randomBytes(18).toString('base64url');
  const asking = `user polyedge-health on >${password} -@all +ping +info`;
  writeFileSync(file, `${['user default off', asking, ...lines].join('\n')}\n`, { mode: 0o600 });
  return { file, login: `AUTH polyedge-health ${password}\r\n` };
}

/** Sends inline commands and returns the output up to the reply to INFO, an error or the time-out. */
function ask(port: number, commands: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: answerMs });
    let received = '';
    const done = () => {
      socket.destroy();
      resolve(received);
    };
    socket.on('connect', () => socket.write(commands));
    socket.on('data', (chunk) => {
      received += chunk.toString('utf8');
      if (received.startsWith('-') || /process_id:\d+\r/.test(received)) done();
    });
    socket.on('error', done);
    socket.on('timeout', done);
    socket.on('close', done);
  });
}

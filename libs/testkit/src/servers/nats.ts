import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { findProgram, natsProgram } from './find-program.ts';
import { type RunningServer, type ServerOptions, startServer } from './server-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Options of `startNats`. */
export type NatsOptions = ServerOptions & {
  /** Additional lines of its configuration file (accounts, for instance). */
  readonly config?: string;
};

const answerMs = 2_000;

/**
 * Starts a real `nats-server` on the loopback address with the settings of our configurations: messages up to 8 MiB, a ping every 5 s, two misses.
 * `await using nats = await startNats()` ends it with the block.
 */
export async function startNats(options: NatsOptions = {}): Promise<RunningServer> {
  const program = findProgram(natsProgram, options.report);
  const dir = options.dir === undefined ? temporaryFolder('nats') : resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const serverName = `polyedge-${randomBytes(8).toString('hex')}`;
  const file = join(dir, 'nats.conf');
  return startServer(options.port, (port) => {
    const inside = program.kind === 'image' ? { host: '0.0.0.0', port: 4222 } : { host: '127.0.0.1', port };
    writeFileSync(
      file,
      `server_name: "${serverName}"
host: "${inside.host}"
port: ${inside.port}
max_payload: 8388608
ping_interval: "5s"
ping_max: 2
${options.config ?? ''}
`,
      // The file contains passwords.
      { mode: 0o600 },
    );
    return {
      name: 'nats',
      url: `nats://127.0.0.1:${port}`,
      port,
      dir,
      mark: dir,
      ...(program.kind === 'file'
        ? { command: program.path, args: ['-c', file] }
        : {
            command: 'docker',
            container: serverName,
            args: ['run', '--rm', '--name', serverName, '-p', `127.0.0.1:${port}:4222`, '-v', `${dir}:${dir}`, program.image, '-c', file],
          }),
      answers: async () => (await greeting(port)).includes(`"${serverName}"`),
      temporary: options.dir === undefined,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
    };
  });
}

/** The INFO line that a NATS server sends to a new connection; empty if there is none. */
function greeting(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: answerMs });
    const done = (text: string) => {
      socket.destroy();
      resolve(text);
    };
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('utf8');
      if (received.includes('\n')) done(received);
    });
    socket.on('error', () => done(''));
    socket.on('timeout', () => done(''));
    socket.on('close', () => done(''));
  });
}

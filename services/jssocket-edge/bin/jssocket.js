#!/usr/bin/env node
// The original's command line: `jssocket [-p PORT] [-h HOST]`, and `jssocket hash`. Plain JavaScript for any Node: finds Node 24, which runs
// the TypeScript of this checkout as it is. -h is the host, not help, as it always was.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const usage = `Usage: jssocket [options]        serve cores, publishers and browsers
       jssocket hash             read a secret from standard input and print what SOCKET_AUTH takes

  -p, --port PORT     default: SOCKET_PORT, else 80; 0 takes a free one
  -h, --host HOST     default: SOCKET_HOST, else 0.0.0.0
      --strict-path PATH   accept WebSockets on this path only
      --legacy-admin       serve GET /hash and GET /terminate; both need the auth header
      --help

Further settings come from the environment; see README.md. Without NATS_URL it serves alone.
`;

const started = read(process.argv.slice(2));
const node = findNode();
const child = spawn(node, [join(folder, started.program)], { stdio: 'inherit', env: { ...process.env, ...started.env } });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => fail(error.message));
// Wrong settings end our services with 2, the original with 1.
child.on('exit', (code, signal) => process.exit(code === 2 ? 1 : (code ?? (signal === 'SIGINT' ? 130 : 1))));

/** The arguments as a program and its environment. */
function read(args) {
  if (args[0] === 'hash' && args.length === 1) return { program: 'src/hash.ts', env: {} };
  const env = {};
  const rest = args.flatMap((arg) => {
    const at = arg.startsWith('--') ? arg.indexOf('=') : -1;
    return at === -1 ? [arg] : [arg.slice(0, at), arg.slice(at + 1)];
  });
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === '--help') {
      process.stdout.write(usage);
      process.exit(0);
    } else if (flag === '-p' || flag === '--port') {
      const port = value(flag, rest);
      if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) fail(`${flag} takes a port from 0 to 65535, not "${port}"`);
      env.PORT = port;
    } else if (flag === '-h' || flag === '--host') env.HOST = value(flag, rest);
    else if (flag === '--strict-path') env.JSSOCKET_STRICT_PATH = value(flag, rest);
    else if (flag === '--legacy-admin') env.JSSOCKET_LEGACY_ADMIN = 'true';
    else fail(`there is no option "${flag}"; see jssocket --help`);
  }
  return { program: 'src/main.ts', env: { ...alone(env), ...env } };
}

/** What the program by itself adds: the original's defaults, and without NATS the mode in which its known secret works. */
function alone({ PORT, HOST }) {
  const { SOCKET_PORT, SOCKET_HOST, METRICS_PORT, NATS_URL, POLYEDGE_MODE } = process.env;
  return {
    // HOST and PORT of the surroundings are often the machine's own: only the original's names count here.
    PORT: PORT ?? (SOCKET_PORT || '80'),
    HOST: HOST ?? (SOCKET_HOST || '0.0.0.0'),
    METRICS_PORT: METRICS_PORT || 'off',
    POLYEDGE_MODE: POLYEDGE_MODE || (NATS_URL ? 'production' : 'local'),
  };
}

function value(flag, rest) {
  const next = rest.shift();
  return next === undefined || next === '' ? fail(`${flag} needs a value`) : next;
}

/** This Node, when it is 24 or newer; else the one that the checkout keeps, else one that the npm package `node` installed. */
function findNode() {
  const able = (program) => {
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    return Number(/^v(\d+)\./.exec(stdout ?? '')?.[1]) >= 24;
  };
  const kept = join(folder, '../../.polyedge/toolchain/node_modules/.bin/node');
  const candidates = [process.execPath, kept, 'node', 'node24'];
  const found = candidates.find((program) => (program.includes('/') ? existsSync(program) : true) && able(program));
  return found ?? fail('Node 24 is needed: run "npm start" in the checkout once, which fetches it, or install it');
}

function fail(sentence) {
  process.stderr.write(`jssocket: ${sentence}\n`);
  process.exit(1);
}

/**
 * A container engine for tests: Debian's, started as root in a folder of this checkout. It leaves other engines and the firewall of the
 * machine alone: images are built in the host's network, and containers communicate over bridges of their own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, programPath } from './find-program.ts';
import { commandLine, descendants, isAlive, sendSignal } from './processes.ts';
import { startServer } from './server-process.ts';

const dockerd = { names: ['dockerd'], apt: 'docker.io', brew: '' };
const docker = { names: ['docker'], apt: 'docker.io', brew: '' };
const compose = { names: ['docker-compose'], apt: 'docker-compose', brew: '' };
const debootstrap = { names: ['debootstrap'], apt: 'debootstrap', brew: '' };

/** An engine says within this time which process it is. */
const START_MS = 60_000;

export interface Engine extends AsyncDisposable {
  /** Runs `docker …` and returns its output; throws its error output if it fails. */
  docker(...args: readonly string[]): string;
  /** The environment for programs that use the engine. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly composeProgram: string;
  readonly debootstrapProgram: string;
}

/** The reason why no engine can be started here; undefined if one can. Installs it where apt-get is allowed to. */
export function whyNoEngine(report: (line: string) => void): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can start a container engine on Linux';
  try {
    for (const program of [dockerd, docker, compose, debootstrap]) findProgram(program, report);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}

/** @param folder keeps images between runs */
export async function startEngine(folder: string): Promise<Engine> {
  mkdirSync(folder, { recursive: true });
  for (const left of globSync(`${LEFT}*`)) if (!engineLives(left)) removeLeft(left);
  const dir = mkdtempSync(LEFT);
  const socket = join(dir, 'docker.sock');
  const server = await startServer(undefined, (port) => ({
    name: 'dockerd',
    url: `unix://${socket}`,
    port,
    dir,
    mark: dir,
    command: programPath(dockerd) ?? 'dockerd',
    args: [
      ...['--data-root', folder, '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'docker.pid'), '-H', `unix://${socket}`],
      ...['--bridge=none', '--iptables=false', '--ip-masq=false', '--ip-forward=false', '--log-level=warn'],
      // Engines of several working copies do not share networks.
      ...['--default-address-pool', `base=10.${200 + (process.pid % 50)}.0.0/16,size=24`],
    ],
    stopSignal: 'SIGTERM',
    answers: () => answersOn(socket),
    temporary: false,
  }));
  const env = { ...process.env, DOCKER_HOST: server.url, DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0', COMPOSE_HTTP_TIMEOUT: '300' };
  return {
    env,
    composeProgram: programPath(compose) ?? 'docker-compose',
    debootstrapProgram: programPath(debootstrap) ?? 'debootstrap',
    docker: (...args) =>
      execFileSync(programPath(docker) ?? 'docker', args, {
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 64 * 1024 * 1024,
      }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      removeLeft(dir);
    },
  };
}

/** How the folders of engines begin, in which they keep what lives no longer than they do. */
const LEFT = join(tmpdir(), 'polyedge-engine-');

/** Whether the engine of a folder runs, or has not written yet that it does. */
function engineLives(dir: string): boolean {
  try {
    return isAlive(Number(readFileSync(join(dir, 'docker.pid'), 'utf8')));
  } catch {
    return Date.now() - (statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? 0) < START_MS;
  }
}

/** Ends and unmounts what an engine that was killed leaves behind: the keepers of its containers, and their networks. */
function removeLeft(dir: string): void {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const pid = Number(name);
    if (commandLine(pid)?.includes(`${dir}/`) === true) for (const each of [...descendants(pid), pid]) sendSignal(each, 'SIGKILL');
  }
  const mounts = readFileSync('/proc/mounts', 'utf8').matchAll(/^\S+ (\S+)/gm);
  for (const [, mount = ''] of mounts) if (mount.startsWith(`${dir}/`)) spawnSync('umount', ['-l', mount]);
  rmSync(dir, { recursive: true, force: true });
}

function answersOn(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on('error', () => resolve(false));
    asked.on('timeout', () => asked.destroy());
    asked.end();
  });
}

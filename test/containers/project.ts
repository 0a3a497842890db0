/**
 * The system of docker-compose.yml under its own name and ports. Two settings of the file are changed, neither of which is visible to containers: the
 * ports of this machine, and the network in which images are built.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from '@polyedge/testkit/servers/container-engine';
import { freePort, portIsFree } from '@polyedge/testkit/servers/free-port';
import { parse } from 'yaml';

export const root = resolve(import.meta.dirname, '../..');
const UP_MS = 10 * 60_000;
const run = promisify(execFile);

interface ComposeFile {
  readonly services: Readonly<
    Record<string, Readonly<Record<string, unknown>> & { readonly ports?: readonly string[]; readonly build?: object }>
  >;
}

/** The parts of `docker inspect` that these tests use. */
export interface Inspected {
  readonly Id: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly Pid: number;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean; readonly Memory: number };
  readonly Config: { readonly User: string };
}

/** How often other ports are tried when something else has taken them meanwhile. */
const PORT_ATTEMPTS = 3;

export class Project implements AsyncDisposable {
  /** For each service with clients, the ports of this machine that lead to its containers, as soon as it was up once. */
  readonly ports = new Map<string, readonly number[]>();
  readonly #engine: Engine;
  readonly #replicas: Readonly<Record<string, number>>;
  readonly #name: string;
  readonly #optional: readonly string[];
  #sources = root;
  readonly #dir = mkdtempSync(join(tmpdir(), 'polyedge-compose-'));
  readonly #env: Readonly<Record<string, string | undefined>>;

  /**
   * @param replicas the number of containers of services with more than one
   * @param optional services of profiles that are to run as well
   * @param name tells it from another project of this process
   */
  constructor(
    engine: Engine,
    env: Readonly<Record<string, string>>,
    replicas: Readonly<Record<string, number>>,
    { optional = [], name = '' }: { readonly optional?: readonly string[]; readonly name?: string } = {},
  ) {
    this.#optional = optional;
    this.#engine = engine;
    this.#name = `polyedge${name}${process.pid}`;
    this.#env = { ...engine.env, ...env };
    this.#replicas = replicas;
    this.#write();
  }

  /** The working copy whose file, configuration and images are used from now on: `build` and `up` replace what differs. */
  async use(sources: string): Promise<void> {
    this.#sources = sources;
    if (this.ports.size > 0) await this.#choosePorts(this.ports);
    else this.#write();
  }

  /** Builds the images of the file. */
  async build(): Promise<void> {
    await this.compose('build', '--quiet');
  }

  /** Starts everything that is not up. The first time it chooses the ports. */
  async up(): Promise<void> {
    const scale = Object.entries(this.#replicas).flatMap(([name, count]) => ['--scale', `${name}=${count}`]);
    const first = this.ports.size === 0;
    for (let attempt = 1; ; attempt += 1) {
      if (first) await this.#choosePorts();
      try {
        await this.compose('up', '-d', ...scale);
        return;
      } catch (error) {
        if (!first || attempt === PORT_ATTEMPTS || !/address already in use|port is already allocated/.test(String(error))) throw error;
      }
    }
  }

  /** @param kept services whose ports stay as they are */
  async #choosePorts(kept: ReadonlyMap<string, unknown> = new Map()): Promise<void> {
    for (const [name, { ports = [] }] of Object.entries(this.#composeFile().services)) {
      if (ports.length > 0 && !kept.has(name)) this.ports.set(name, await portsInARow(this.#replicas[name] ?? 1));
    }
    this.#write();
  }

  #composeFile(): ComposeFile {
    return parse(readFileSync(join(this.#sources, 'docker-compose.yml'), 'utf8'), { merge: true });
  }

  /** The file for the engine, with the ports that are known. */
  #write(): void {
    const file = this.#composeFile();
    const services: Record<string, unknown> = {};
    for (const [name, service] of Object.entries(file.services)) {
      if ('profiles' in service && !this.#optional.includes(name)) continue;
      const inside = service.ports?.[0]?.split(':').at(-1);
      const open = this.ports.get(name);
      const { profiles: _profiles, ...always } = service;
      services[name] = {
        ...always,
        ...(open === undefined ? {} : { ports: [`127.0.0.1:${open.join('-')}:${inside}`] }),
        ...(service.build === undefined ? {} : { build: { ...service.build, network: 'host' } }),
      };
    }
    writeFileSync(this.#file, JSON.stringify({ ...file, services }));
  }

  get #file(): string {
    return join(this.#dir, 'docker-compose.json');
  }

  /** Runs docker-compose; rejects with its output if it fails. */
  async compose(...args: readonly string[]): Promise<string> {
    const all = ['-f', this.#file, '--project-directory', this.#sources, '-p', this.#name, ...args];
    const { stdout } = await run(this.#engine.composeProgram, all, {
      cwd: this.#sources,
      env: this.#env,
      timeout: UP_MS,
      maxBuffer: 64 * 1024 * 1024,
    }).catch((error: { message: string; stdout?: string; stderr?: string }) => {
      throw new Error(
        `docker-compose ${args.join(' ')}:\n${error.stdout?.slice(-4000)}\n${error.stderr?.slice(-4000) ?? error.message}\n${args[0] === 'up' ? this.#allLogs() : ''}`,
      );
    });
    return stdout;
  }

  /** The containers of a service, in the order of their numbers. */
  containers(service: string): readonly string[] {
    const filters = [
      '--filter',
      `label=com.docker.compose.project=${this.#name}`,
      '--filter',
      `label=com.docker.compose.service=${service}`,
    ];
    const names = this.#engine
      .docker('ps', '--all', ...filters, '--format', '{{.Names}}')
      .trim()
      .split('\n');
    return names.filter((name) => name !== '').sort();
  }

  inspect(container: string): Inspected {
    const [found]: readonly Inspected[] = JSON.parse(this.#engine.docker('inspect', container));
    if (found === undefined) throw new Error(`there is no container ${container}`);
    return found;
  }

  /** Resolves when every container of these services is healthy. */
  async healthy(services: readonly string[], withinMs = 240_000): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (const container of services.flatMap((service) => this.containers(service))) {
      while (this.inspect(container).State.Health?.Status !== 'healthy') {
        if (performance.now() > deadline)
          throw new Error(
            `${container} is not healthy: ${this.#engine.docker('inspect', '--format', '{{json .State}}', container)}\n${this.logs(container)}`,
          );
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  #allLogs(): string {
    const names = this.#engine.docker(
      'ps',
      '--all',
      '--filter',
      `label=com.docker.compose.project=${this.#name}`,
      '--format',
      '{{.Names}}',
    );
    return names
      .trim()
      .split('\n')
      .map((name) => `${name}:\n${this.logs(name)}`)
      .join('\n');
  }

  logs(container: string): string {
    return execFileSync('/bin/sh', ['-c', 'docker logs --tail 40 "$1" 2>&1', 'sh', container], { env: this.#env, encoding: 'utf8' });
  }

  /** Removes the containers and their data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '5');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Free ports that follow each other, since Compose takes a range for the containers of one service. */
async function portsInARow(count: number): Promise<readonly number[]> {
  for (;;) {
    const first = await freePort();
    const ports = Array.from({ length: count }, (_, at) => first + at);
    const free = await Promise.all(ports.map(portIsFree));
    if (free.every(Boolean)) return ports;
  }
}

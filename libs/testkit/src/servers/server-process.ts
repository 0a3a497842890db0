import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { allEnded, commandLine, descendants, isAlive, sendSignal, workingFolder } from './processes.ts';
import { watchOver } from './watchdog.ts';

/** A server program that we started on the loopback address. It ends with this process, even if that is killed. */
export type RunningServer = AsyncDisposable & {
  /** The URL for clients, credentials included. Unchanged by a restart. */
  readonly url: string;
  readonly port: number;
  /** The id of the current main process; changes with a restart. */
  readonly pid: number;
  /** The folder with its data and its log. */
  readonly dir: string;
  /** Shuts it down (by force after 15 s). Keeps its data. */
  stop(): Promise<void>;
  /** SIGKILL to it and all its children; resolves when they are gone. Keeps its data. */
  kill(): Promise<void>;
  /** Starts it on the same data and port, after `stop` or `kill` or while it runs; resolves when it answers. Fails after disposal. */
  restart(): Promise<void>;
  /** SIGSTOP to it and all its children. */
  pause(): void;
  /** SIGCONT to it and all its children. */
  resume(): void;
  /** The end of its log. */
  log(): string;
};

/** How to run one kind of server. */
export type ServerDefinition = {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The account to run it under, if not ours. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** The signal for an orderly stop. Default SIGINT, the fast shutdown of PostgreSQL, Redis and NATS. */
  readonly stopSignal?: 'SIGINT' | 'SIGTERM';
  /** Default: `<dir>/<name>.log`. */
  readonly logFile?: string;
  /** The container to signal instead of the process, if Docker runs the server. */
  readonly container?: string;
  /** Checks once whether it serves; `pid` distinguishes our server from another one on the same port. */
  readonly answers: (pid: number) => Promise<boolean>;
  /** Text in the server's command line, or its working folder, that identifies it as ours. */
  readonly mark: string;
  /** Aborts a start that waits for the server to answer. */
  readonly signal?: AbortSignal;
  /** Remove `dir` on disposal, or when this process dies. */
  readonly temporary: boolean;
  /** Called if it ends unexpectedly. */
  readonly onUnexpectedExit?: (reason: string) => void;
};

/** Options that all kinds of servers share. */
export type ServerOptions = {
  /** Folder of its data, which is kept. Default: a new one, removed at the end. */
  readonly dir?: string;
  /** Tried first; if it is taken, a free one is used. Default: a free one. */
  readonly port?: number;
  readonly report?: (line: string) => void;
  /** Aborts a start that waits for the server to answer; what was started is stopped again. */
  readonly signal?: AbortSignal;
  readonly onUnexpectedExit?: (reason: string) => void;
};

const startMs = 60_000;
const maxPortAttempts = 5;
const stopMs = 15_000;
const maxLogBytes = 8 * 1024 * 1024;
const logTailBytes = 4_000;
const addressInUse = /address already in use/i;

/**
 * Starts a server on a free port, `preferred` if that is free, and waits until it answers. `define` returns how to run it on a given port; it is
 * called again if the port was taken meanwhile. A server that a previous owner left running in the same folder is stopped first.
 */
export async function startServer(preferred: number | undefined, define: (port: number) => ServerDefinition): Promise<RunningServer> {
  for (let attempt = 1; ; attempt += 1) {
    const definition = define(await freePort(attempt === 1 ? preferred : undefined));
    const server = new ServerProcess(definition);
    await endLeftOver(join(definition.dir, `${definition.name}.pid`), definition.mark);
    try {
      await server.start(attempt < maxPortAttempts);
      return server;
    } catch (error) {
      const again = error instanceof PortTaken;
      await (again ? server.abandon() : server[Symbol.asyncDispose]());
      if (!again) throw error;
    }
  }
}

/** Another process took the port first: worth a retry. */
class PortTaken extends Error {}

/** Servers with a temporary folder. One exit listener for all, because Node warns at the eleventh. */
const undisposed = new Set<ServerProcess>();
process.once('exit', () => {
  for (const server of undisposed) server.removeUnwatched();
});

class ServerProcess implements RunningServer {
  readonly #definition: ServerDefinition;
  #child: ChildProcess | undefined;
  #endWatch: () => void = () => {};
  #expected = false;
  #disposed = false;
  #endReason = '';

  constructor(definition: ServerDefinition) {
    this.#definition = definition;
    if (definition.temporary) undisposed.add(this);
  }

  /** Removes the folder of a server that was killed and not disposed of, which no watchdog will do. */
  removeUnwatched(): void {
    if (this.#child === undefined) rmSync(this.dir, { recursive: true, force: true });
  }

  get url(): string {
    return this.#definition.url;
  }

  get port(): number {
    return this.#definition.port;
  }

  get dir(): string {
    return this.#definition.dir;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.#definition.name} is not running.`);
    return pid;
  }

  /** `portIsOpen`: the port may be replaced, so do not wait for a taken one. */
  async start(portIsOpen = false): Promise<void> {
    const { name, answers, signal } = this.#definition;
    const until = performance.now() + startMs;
    let logged = this.#logBytes();
    this.#spawn();
    while (this.#child?.pid === undefined || !(await answers(this.#child.pid))) {
      if (this.#disposed || signal?.aborted === true) throw new Error(`${name} was ended while it was starting.`);
      if (this.#child === undefined) {
        if (portIsOpen && addressInUse.test(this.log(logged))) throw new PortTaken(this.log(logged));
        // A port or memory segment of the killed predecessor may be held for a moment longer: then retry.
        if (!/address already in use|pre-existing shared memory/i.test(this.log(logged)))
          throw new Error(`${this.#endReason} as it started:\n${this.log(logged)}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
        logged = this.#logBytes();
        this.#spawn();
      }
      if (performance.now() > until) throw new Error(`${name} did not answer within ${startMs / 1000} s:\n${this.log(logged)}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    this.#expected = false;
  }

  async stop(): Promise<void> {
    if (this.#child === undefined) return;
    const family = this.#family();
    this.#expected = true;
    this.resume();
    this.#signal(this.#definition.stopSignal ?? 'SIGINT');
    if (!(await allEnded(family, stopMs))) await this.kill();
    await this.#gone();
  }

  /** Stops it for good; its folder stays for a successor. */
  async abandon(): Promise<void> {
    undisposed.delete(this);
    await this.stop();
  }

  async kill(): Promise<void> {
    if (this.#child === undefined) return;
    const family = this.#family();
    this.#expected = true;
    this.#signal('SIGKILL');
    for (const pid of family) sendSignal(pid, 'SIGKILL');
    await allEnded(family, stopMs);
    await this.#gone();
  }

  async restart(): Promise<void> {
    await this.stop();
    if (this.#disposed) throw new Error(`${this.#definition.name} was disposed of.`);
    await this.start();
  }

  pause(): void {
    this.#signal('SIGSTOP');
    for (const pid of this.#family()) sendSignal(pid, 'SIGSTOP');
  }

  resume(): void {
    for (const pid of this.#family()) sendSignal(pid, 'SIGCONT');
    this.#signal('SIGCONT');
  }

  log(fromByte = 0): string {
    try {
      return readFileSync(this.#logFile()).subarray(fromByte).subarray(-logTailBytes).toString('utf8');
    } catch {
      return '';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.stop();
    undisposed.delete(this);
    if (this.#definition.temporary) await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  #spawn(): void {
    const { name, command, args, env, user, dir, temporary, onUnexpectedExit } = this.#definition;
    const log = openLog(this.#logFile());
    // Detached: Ctrl-C in a terminal reaches only us, so that clients can stop before their servers.
    const child = spawn(command, args, {
      cwd: user === undefined ? dir : '/',
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
      ...user,
    });
    closeSync(log);
    this.#child = child;
    // Until it answers, `start` handles its end: the port may be taken.
    this.#expected = true;
    child.unref();
    const ended = (reason: string) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#endReason = reason;
      this.#endWatch();
      rmSync(join(dir, `${name}.pid`), { force: true });
      if (!this.#expected) onUnexpectedExit?.(reason);
    };
    child.once('error', (error) => ended(`${name} could not be started: ${error.message}`));
    child.once('exit', (code, signal) => ended(`${name} ended (${signal ?? `exit code ${code}`})`));
    if (child.pid === undefined) return;
    this.#endWatch = watchOver(child.pid, temporary ? dir : undefined);
    writeFileSync(join(dir, `${name}.pid`), `${child.pid}\n`);
  }

  #logFile(): string {
    return this.#definition.logFile ?? join(this.dir, `${this.#definition.name}.log`);
  }

  #logBytes(): number {
    return statSync(this.#logFile(), { throwIfNoEntry: false })?.size ?? 0;
  }

  #family(): number[] {
    const pid = this.#child?.pid;
    return pid === undefined ? [] : [pid, ...descendants(pid)];
  }

  #signal(signal: NodeJS.Signals): void {
    const { container } = this.#definition;
    if (container !== undefined) spawn('docker', ['kill', '--signal', signal, container], { stdio: 'ignore' }).on('error', () => {});
    else if (this.#child?.pid !== undefined) sendSignal(this.#child.pid, signal);
  }

  /** Waits for the exit event, which follows the end of the process by a turn or two of the event loop. */
  async #gone(): Promise<void> {
    const until = performance.now() + 5_000;
    while (this.#child !== undefined && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Stops a server that still runs in this folder although its owner is gone. */
async function endLeftOver(file: string, mark: string): Promise<void> {
  let pid: number;
  try {
    pid = Number(readFileSync(file, 'utf8'));
  } catch {
    return;
  }
  // The id may belong to another process by now, for example after a reboot: only a process with our mark is ours.
  if (isAlive(pid) && (commandLine(pid)?.includes(mark) === true || workingFolder(pid) === mark)) {
    const family = [pid, ...descendants(pid)];
    sendSignal(pid, 'SIGINT');
    sendSignal(pid, 'SIGCONT');
    if (!(await allEnded(family, stopMs))) for (const each of family) sendSignal(each, 'SIGKILL');
    await allEnded(family, stopMs);
  }
  rmSync(file, { force: true });
}

function openLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) renameSync(path, `${path}.old`);
  return openSync(path, 'a', 0o600);
}

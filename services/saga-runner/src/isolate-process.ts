/**
 * A process of isolates, from the service's side: started without environment and rights; its messages are validated, and it is killed if
 * in doubt.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ending, type FromProcess, fromProcess, type ToProcess } from './isolate/messages.ts';

const program = fileURLToPath(new URL('./isolate/main.ts', import.meta.url));
const addon = dirname(createRequire(import.meta.url).resolve('isolated-vm/package.json'));
const loader = dirname(createRequire(join(addon, 'package.json')).resolve('node-gyp-build/package.json'));

/**
 * Files that it may read: its own few, and the addon. No writing, no child processes, no workers; Node 24 has no permission for the
 * network.
 */
const service = join(dirname(program), '../..');
const readable = [
  dirname(program),
  join(service, 'package.json'),
  // The addon's link and its real path.
  join(service, 'node_modules/isolated-vm'),
  addon,
  join(dirname(addon), 'node-gyp-build'),
  loader,
  '/etc/alpine-release',
];
const FLAGS = [
  '--permission',
  '--allow-addons',
  ...readable.map((path) => `--allow-fs-read=${path}`),
  // isolated-vm does not work with Node's own snapshot.
  '--no-node-snapshot',
  // Runs leave little in this process itself.
  '--max-old-space-size=256',
  '--no-warnings',
];

/** Messages of a process, except its end. */
export type ProcessMessage = Exclude<FromProcess, { readonly from: 'ending' }>;

export interface ProcessHandler {
  message(message: ProcessMessage): void;
  /** The process exited by itself, or sent an invalid message: its messages are no longer trusted. */
  ended(reason: string): void;
}

export class IsolateProcess {
  readonly #child: ChildProcess;
  readonly #handler: ProcessHandler;
  #telling: ToProcess[] = [];
  #over = false;

  constructor(handler: ProcessHandler) {
    this.#handler = handler;
    this.#child = spawn(process.execPath, [...FLAGS, program], {
      // It receives nothing of our environment.
      env: {},
      cwd: dirname(program),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'json',
    });
    this.#child.on('message', (received: unknown) => {
      for (const message of Array.isArray(received) ? received : [received]) {
        if (this.#over) return;
        if (!fromProcess.test(message)) this.end('it sent an invalid message');
        else if (message.from === 'ending') this.end(ENDINGS[message.why]);
        else handler.message(message);
      }
    });
    this.#child.on('error', (error) => this.end(error.message));
    this.#child.on('exit', (code, signal) => this.end(reasonOf(code, signal)));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Messages of one turn of the event loop are sent as one, because each costs both sides a system call and wakes the process. */
  send(message: ToProcess): void {
    this.#telling.push(message);
    if (this.#telling.length === 1) setImmediate(() => this.#send());
  }

  #send(): void {
    const messages = this.#telling;
    this.#telling = [];
    if (this.#over || !this.#child.connected) return;
    this.#child.send(messages, (error) => {
      if (error !== null) this.end('it cannot be reached');
    });
  }

  /** Kills it, if it has not exited; the handler is notified. */
  end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#child.kill('SIGKILL');
    this.#handler.ended(reason);
  }
}

const ENDINGS: Readonly<Record<Ending, string>> = {
  stuck: 'an isolate could not be ended',
  catastrophe: 'an isolate broke',
  memory: 'it held too much memory',
};

const reasonOf = (code: number | null, signal: NodeJS.Signals | null): string => `it ended with ${signal ?? `code ${code}`}`;

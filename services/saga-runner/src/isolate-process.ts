/** A process of isolates as the service has it: started without environment and rights, checked in everything it says, ended when it is in doubt. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ending, type FromProcess, fromProcess, type ToProcess } from './isolate/messages.ts';

const program = fileURLToPath(new URL('./isolate/main.ts', import.meta.url));
const addon = dirname(createRequire(import.meta.url).resolve('isolated-vm/package.json'));
const loader = dirname(createRequire(join(addon, 'package.json')).resolve('node-gyp-build/package.json'));

/** What it may read: its own few files and the addon. No writing, no processes, no workers; Node 24 has no permission for the network. */
const service = join(dirname(program), '../..');
const readable = [
  dirname(program),
  join(service, 'package.json'),
  // Where the addon is found, and where it is: the first is a link.
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
  // isolated-vm cannot work with Node's own snapshot.
  '--no-node-snapshot',
  // What runs of strangers leave in this process is small.
  '--max-old-space-size=256',
  '--no-warnings',
];

/** What a process says beside its end. */
export type Said = Exclude<FromProcess, { readonly from: 'ending' }>;

export interface ProcessHandler {
  message(message: Said): void;
  /** It ended by itself, or said something that is no message: nothing of it is to be believed any more. */
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
      // Of our own environment it is told nothing.
      env: {},
      cwd: dirname(program),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'json',
    });
    this.#child.on('message', (said: unknown) => {
      for (const message of Array.isArray(said) ? said : [said]) {
        if (this.#over) return;
        if (!fromProcess.test(message)) this.end('it said something that is no message');
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

  /** What is told in one turn of the event loop leaves as one message: each costs both sides a system call, and wakes the process. */
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

  /** Ends it now, if it has not; the handler is told. */
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

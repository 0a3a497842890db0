/** Runs baselines and other programs of the benchmarks in processes of their own, controlled over IPC. */
import { type ChildProcess, fork } from 'node:child_process';
import { join, resolve } from 'node:path';
import { startWithLowestPriority } from './lowest-priority.ts';

const folder = resolve(import.meta.dirname, '../baselines');
const STDIO = ['ignore', 'inherit', 'inherit', 'ipc'] as const;

/** A program of `bench/baselines`. It sends `{ ready: … }` once; every request is answered in order. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** The value it sent when ready, for example a port. */
  readonly ready: unknown;
  readonly #process: ChildProcess;
  readonly #waiting: ((answer: unknown) => void)[] = [];

  /** Starts it with arguments and waits until it is ready. */
  static start(name: string, ...args: string[]): Promise<Child> {
    return Child.#started(name, fork(join(folder, `${name}.ts`), args, { stdio: [...STDIO] }));
  }

  /** The same, for a program that stands for something on another machine. */
  static startElsewhere(name: string): Promise<Child> {
    return Child.#started(name, startWithLowestPriority(process.execPath, [join(folder, `${name}.ts`)], [...STDIO]));
  }

  static async #started(name: string, process: ChildProcess): Promise<Child> {
    const ready = await new Promise<unknown>((resolveReady, reject) => {
      process.once('message', resolveReady);
      process.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it was ready`)));
    });
    return new Child(process, ready);
  }

  private constructor(process: ChildProcess, ready: unknown) {
    this.#process = process;
    this.ready = ready;
    this.pid = process.pid ?? 0;
    process.on('message', (answer) => this.#waiting.shift()?.(answer));
    process.on('exit', () => {
      for (const waiting of this.#waiting.splice(0)) waiting(undefined);
    });
  }

  /** Sends it a message without an answer. */
  tell(message: object): void {
    this.#process.send(message);
  }

  /** Sends a request and waits for the answer; undefined if the process has ended. */
  ask<Answer>(question: object): Promise<Answer> {
    return new Promise((answered) => {
      // IPC erases types: both ends are files of this folder.
      this.#waiting.push((answer) => answered(answer as Answer));
      this.#process.send(question);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((gone) => this.#process.once('exit', gone));
    this.#process.kill('SIGTERM');
    await ended;
  }
}

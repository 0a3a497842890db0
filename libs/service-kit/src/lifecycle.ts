/**
 * The start and end of a process: signals, time limits, final flushes. Signals are handled only here.
 *
 * SIGTERM or SIGINT: readiness becomes false, `drain` within its time limit, `stop` within 10 s, logs and traces flushed, exit 0. A service
 * that is still starting, perhaps waiting for a server, has 2 s to finish starting; otherwise the process exits. A second signal exits at
 * once with 1. An uncaught exception or unhandled rejection is a bug: logged as fatal, exit 1.
 */
import { within } from './deadline.ts';
import type { Log } from './log.ts';

/** A service that has started. */
export interface Running {
  /** True, or a message that says what is missing. */
  ready(): true | string;
  /** Stops accepting, finishes what is in flight, makes clients reconnect elsewhere. */
  drain(): Promise<void>;
  /** Closes everything. */
  stop(): Promise<void>;
}

/** An expected reason not to start (a server does not answer, a port is taken): logged as one sentence, without a stack trace. */
export class CannotStart extends Error {}

const STOP_MS = 10_000;
const STARTED_MS = 2_000;
const LAST_WORDS_MS = 3_000;

export class Lifecycle {
  readonly #log: Log;
  readonly #drainMs: number;
  readonly #lastWords: () => Promise<void>;
  #running: Running | undefined;
  #ending = false;

  constructor(options: {
    readonly log: Log;
    readonly drainMs: number;
    /** Flushes telemetry. */
    readonly lastWords: () => Promise<void>;
  }) {
    this.#log = options.log;
    this.#drainMs = options.drainMs;
    this.#lastWords = options.lastWords;
  }

  /** The status for `/readyz`. */
  ready(): true | string {
    if (this.#ending) return 'draining';
    return this.#running === undefined ? 'starting' : this.#running.ready();
  }

  /** Starts the service and runs it until a signal. Resolves once it runs. */
  async run(start: () => Promise<Running>): Promise<void> {
    process.on('SIGTERM', (signal) => this.#signalled(signal));
    process.on('SIGINT', (signal) => this.#signalled(signal));
    process.on('uncaughtException', (error) => this.fatal('an uncaught exception', error));
    process.on('unhandledRejection', (error) => this.fatal('an unhandled rejection', error));
    try {
      this.#running = await start();
    } catch (error) {
      if (error instanceof CannotStart) this.fatal(error.message);
      else this.fatal('the service cannot start', error);
      return;
    }
    if (this.#ending) await this.#end(this.#running);
  }

  /** Ends the process with 1 immediately: its state is inconsistent. */
  fatal(sentence: string, error?: unknown): void {
    this.#ending = true;
    this.#log.fatal(sentence, error === undefined ? {} : { err: error });
    void this.#exit(1);
  }

  #signalled(signal: NodeJS.Signals): void {
    if (this.#ending) {
      this.#log.warn(`${signal} again: ending at once`);
      this.#log.flush();
      process.exit(1);
    }
    this.#ending = true;
    this.#log.info(`${signal}: draining`);
    // During the start, `run` stops it afterwards: the parts of a half-started service cannot be closed yet, and it has not accepted
    // anything.
    if (this.#running !== undefined) void this.#end(this.#running);
    else
      setTimeout(() => {
        if (this.#running !== undefined) return;
        this.#log.info('ended before it had started');
        void this.#exit(0);
      }, STARTED_MS);
  }

  async #end(running: Running): Promise<void> {
    const began = performance.now();
    try {
      const drained = await within(
        running.drain().then(() => true),
        this.#drainMs,
        false,
      );
      if (!drained) this.#log.warn('draining took too long', { ms: this.#drainMs });
      const stopped = await within(
        running.stop().then(() => true),
        STOP_MS,
        false,
      );
      if (!stopped) this.#log.warn('stopping took too long', { ms: STOP_MS });
    } catch (err) {
      this.#log.error('ending failed', { err });
      await this.#exit(1);
      return;
    }
    this.#log.info('ended', { ms: Math.round(performance.now() - began) });
    await this.#exit(0);
  }

  async #exit(code: number): Promise<void> {
    try {
      await within(this.#lastWords(), LAST_WORDS_MS, undefined);
    } catch (err) {
      this.#log.warn('the last traces and metrics could not be sent', { err });
    }
    this.#log.flush();
    process.exit(code);
  }
}

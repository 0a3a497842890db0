/**
 * One connection to PostgreSQL, from its beginning to its end.
 *
 * `postgres` 3.4.9 keeps a connection object beyond the end of its socket and dials again with it, and that has holes: a query that was under way
 * is still there and gets the answers of the next connection; text that was not written yet goes before the next handshake, which then waits for
 * ever; what asked for the types of arrays (`fetch_types`) rejects where nobody can catch it, and so ends the process; statements that wait
 * behind another are never answered; a statement after the end writes to no socket. So each connection has a pool of its own here, which ends
 * with it, nothing is sent once it has ended, and nobody waits longer than it lives.
 */
import type { Socket } from 'node:net';
import { type Connection, type ConnectOptions, connect, isAnswer, type Sql } from './connect.ts';
import { type Issuer, issuerOf, Pipeline } from './pipeline.ts';

/** How long making a connection may take. */
const OPEN_MS = 10_000;

/** The connection broke, or none could be made. What it was doing may or may not have happened. */
export class ConnectionLost extends Error {}

/** No connection could be made: nothing was done. */
export class NotConnected extends ConnectionLost {}

export type LinkOptions = Omit<ConnectOptions, 'max' | 'onSocket'>;

export class Link {
  readonly #options: LinkOptions;
  readonly #pool: Sql;
  /** Who waits for an answer on this connection. */
  readonly #waiting = new Set<(error: Error) => void>();
  #connection: Connection | undefined;
  #socket: Socket | undefined;
  #issuer: Issuer | undefined;
  #gone = false;

  private constructor(options: LinkOptions) {
    this.#options = options;
    this.#pool = connect({
      ...options,
      max: 1,
      onClose: () => this.#lost(),
      onSocket: (socket) => {
        this.#socket = socket;
      },
    });
  }

  /** @param prepare is done once, before anything else. */
  static async open(options: LinkOptions, prepare: (issuer: Issuer) => Promise<void> = async () => {}): Promise<Link> {
    const link = new Link(options);
    const slow = setTimeout(() => link.end('PostgreSQL does not answer'), OPEN_MS);
    try {
      await link.until(link.#open(prepare));
      return link;
    } catch (error) {
      link.end();
      throw new NotConnected(error instanceof Error ? error.message : String(error), { cause: error });
    } finally {
      clearTimeout(slow);
    }
  }

  /** Whether it has ended. What is sent on it from then on is never answered. */
  get gone(): boolean {
    return this.#gone;
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new ConnectionLost('the connection is not made yet');
    return this.#connection;
  }

  /** For statements that travel together. Not to be used while one of `connection` is under way, nor the other way round. */
  get issuer(): Issuer {
    if (this.#issuer === undefined) throw new ConnectionLost('the connection is not made yet');
    return this.#issuer;
  }

  /** The outcome of something that happens on this connection; a failure as soon as the connection has ended. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
      if (this.#gone) reject(new ConnectionLost('the connection to PostgreSQL was lost'));
    });
  }

  /** Ends it, now. */
  end(why = 'the connection was ended'): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const reject of this.#waiting) reject(new ConnectionLost(why));
    this.#waiting.clear();
    this.#pool.end({ timeout: 0 }).catch(() => {});
  }

  async #open(prepare: (issuer: Issuer) => Promise<void>): Promise<void> {
    // Not `reserve()` first: the library never grants it on a connection that it opens for it.
    await this.#pool`select 1`;
    const connection = await this.#pool.reserve();
    this.#issuer = this.#socket === undefined ? issuerOf(connection) : new Pipeline(this.#socket);
    await prepare(this.#issuer);
    this.#connection = connection;
  }

  #lost(): void {
    this.end('the connection to PostgreSQL was lost');
    this.#options.onClose?.();
  }
}

/** SQLSTATEs of a server that cannot do it now: a standby that is not yet promoted, no room, shutting down or starting, locks of others. */
const NOT_NOW = /^(25006|08...|53...|57P..|55P03|40001|40P01)$/;
/** What the system and the library call a connection that ended or was not made. */
const NO_CONNECTION = /^(E[A-Z]+|CONNECTION_[A-Z]+|CONNECT_TIMEOUT)$/;

/** Whether what failed may succeed when it is done again later, because the server or the way to it was the reason. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  if (isAnswer(error)) return !isRefusal(error) || NOT_NOW.test(error.code);
  return error instanceof Error && 'code' in error && NO_CONNECTION.test(String(error.code));
}

/** Whether the server said no and goes on living: its FATAL means that it closes the connection. */
export const isRefusal = (error: unknown): boolean => isAnswer(error) && error.severity !== 'FATAL' && error.severity !== 'PANIC';

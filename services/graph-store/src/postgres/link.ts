/**
 * One connection to PostgreSQL, from its start to its end.
 *
 * `postgres` 3.4.9 keeps a connection object after its socket has ended and reconnects with it, which has bugs: a query in progress gets
 * the answers of the next connection; unsent text precedes the next handshake, which then hangs; fetching the types of arrays
 * (`fetch_types`) rejects where it cannot be caught, and so ends the process; statements that wait behind another are never answered; a
 * statement after the end writes to no socket, and so ends the process. Therefore each connection has its own pool here, which ends with
 * it; all waiting statements fail when it ends, and further ones are refused.
 */
import type { Socket } from 'node:net';
import { type Connection, type ConnectOptions, connect, isAnswer, type Sql } from './connect.ts';
import { type Issuer, issuerOf, Pipeline } from './pipeline.ts';

/** Time-out of connecting. */
const OPEN_MS = 10_000;

const LOST = 'the connection to PostgreSQL was lost';

/** The connection broke, or could not be made. Its statement may or may not have taken effect. */
export class ConnectionLost extends Error {}

/** No connection could be made: nothing was done. */
export class NotConnected extends ConnectionLost {}

export type LinkOptions = Omit<ConnectOptions, 'max' | 'onSocket'>;

export class Link {
  readonly #options: LinkOptions;
  readonly #pool: Sql;
  /** The callbacks waiting for an answer on this connection. */
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

  /** @param prepare runs once, before any other statement */
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

  /** Whether it has ended. Statements of `connection` throw `ConnectionLost` afterwards; those of `issuer` may never be answered. */
  get gone(): boolean {
    return this.#gone;
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new ConnectionLost('the connection is not open yet');
    return this.#connection;
  }

  /** For statements that are sent together. Not to be used while a statement of `connection` is in progress, nor vice versa. */
  get issuer(): Issuer {
    if (this.#issuer === undefined) throw new ConnectionLost('the connection is not open yet');
    return this.#issuer;
  }

  /** The outcome of work on this connection; fails as soon as the connection has ended. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
      if (this.#gone) reject(new ConnectionLost(LOST));
    });
  }

  /** Closes it immediately. */
  end(why = 'the connection was ended'): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const reject of this.#waiting) reject(new ConnectionLost(why));
    this.#waiting.clear();
    this.#pool.end({ timeout: 0 }).catch(() => {});
  }

  async #open(prepare: (issuer: Issuer) => Promise<void>): Promise<void> {
    // Not `reserve()` first: the library never resolves it on a connection that it opens for it.
    await this.#pool`select 1`;
    const connection = this.#whileOpen(await this.#pool.reserve());
    this.#issuer = this.#socket === undefined ? issuerOf(connection) : new Pipeline(this.#socket);
    await prepare(this.#issuer);
    this.#connection = connection;
  }

  /** The same connection, which refuses everything once it has ended. */
  #whileOpen(connection: Connection): Connection {
    return new Proxy(connection, {
      apply: (target, self, values) => {
        this.#mustBeOpen();
        return Reflect.apply(target, self, values);
      },
      get: (target, name) => {
        this.#mustBeOpen();
        return Reflect.get(target, name);
      },
    });
  }

  #mustBeOpen(): void {
    if (this.#gone) throw new ConnectionLost(LOST);
  }

  #lost(): void {
    this.end(LOST);
    this.#options.onClose?.();
  }
}

/**
 * SQLSTATEs of a server that is temporarily unable: a standby that is not promoted yet, out of space, shutting down or starting, locks of
 * others.
 */
const NOT_NOW = /^(25006|08...|53...|57P..|55P03|40001|40P01)$/;
/** Error codes of the system and the library for a connection that ended or failed. */
const NO_CONNECTION = /^(E[A-Z]+|CONNECTION_[A-Z]+|CONNECT_TIMEOUT)$/;

/** Whether a failed operation may succeed later, because the server or the connection was the cause. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  if (isAnswer(error)) return !isRefusal(error) || NOT_NOW.test(error.code);
  return error instanceof Error && 'code' in error && NO_CONNECTION.test(String(error.code));
}

/** Whether the server rejected the statement and keeps the connection; after FATAL it closes it. */
export const isRefusal = (error: unknown): boolean => isAnswer(error) && error.severity !== 'FATAL' && error.severity !== 'PANIC';

/** Whether a statement failed because its connection has ended, or will: after FATAL the server closes it a moment later. */
export const isEnd = (error: unknown): boolean => isPassing(error) && !isRefusal(error);

/** Runs transactions one after the other on a connection that may break at any time. */
import { type Connection, type ConnectOptions, StatementFailed } from './connect.ts';
import { ConnectionLost, isRefusal, Link } from './link.ts';
import type { Issuer } from './pipeline.ts';
import { CallerGone } from './pool.ts';

const ROLLBACK_MS = 5000;
/** First and longest pause between attempts to reconnect. */
const AGAIN_MS = 50;
const LONGEST_AGAIN_MS = 1000;

/**
 * After the first connection it keeps one open: when that ends it reconnects immediately, so that the first transaction after an outage
 * does not wait for handshakes.
 */
export class Transactions {
  readonly #options: Omit<ConnectOptions, 'max' | 'onClose'>;
  readonly #prepare: (issuer: Issuer) => Promise<void>;
  #link: Link | undefined;
  #opening: Promise<Link> | undefined;
  #reopening = false;
  #turn: Promise<unknown> = Promise.resolve();
  #ended = false;

  /** @param prepare runs once on every new connection, before any other statement */
  constructor(options: Omit<ConnectOptions, 'max' | 'onClose'>, prepare: (issuer: Issuer) => Promise<void> = async () => {}) {
    this.#options = options;
    this.#prepare = prepare;
  }

  /**
   * Runs work that begins and ends its transaction itself. If it fails, the transaction is rolled back before the error is rethrown.
   * @param deadline on the clock of `performance.now()`: work that has not started by then fails with `CallerGone`
   */
  run<T>(work: (connection: Connection, issuer: Issuer) => Promise<T>, deadline = Number.POSITIVE_INFINITY): Promise<T> {
    const result = this.#turn.then(() => {
      if (deadline <= performance.now()) throw new CallerGone();
      return this.#run(work);
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Runs work between `begin` and `commit`. */
  transact<T>(work: (connection: Connection, issuer: Issuer) => Promise<T>, deadline?: number): Promise<T> {
    return this.run(async (connection, issuer) => {
      await connection`begin`;
      const result = await work(connection, issuer);
      const { command } = await connection`commit`;
      if (command !== 'COMMIT') throw new Error(`COMMIT was answered ${command}`);
      return result;
    }, deadline);
  }

  /** Closes the connection after the current work. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#turn;
    this.#link?.end();
  }

  /** The connection, or the result of the current attempt to connect. */
  #connected(): Promise<Link> {
    if (this.#link?.gone === false) return Promise.resolve(this.#link);
    this.#opening ??= Link.open({ ...this.#options, onClose: () => void this.#reopen() }, this.#prepare)
      .then((link) => {
        this.#link = link;
        if (this.#ended) link.end();
        return link;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  /** Reconnects as soon as possible. */
  async #reopen(): Promise<void> {
    if (this.#reopening) return;
    this.#reopening = true;
    for (let pauseMs = AGAIN_MS; !this.#ended && this.#link?.gone === true; pauseMs = Math.min(2 * pauseMs, LONGEST_AGAIN_MS)) {
      try {
        await this.#connected();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
      }
    }
    this.#reopening = false;
  }

  async #run<T>(work: (connection: Connection, issuer: Issuer) => Promise<T>): Promise<T> {
    if (this.#ended) throw new ConnectionLost('the service is ending');
    const link = await this.#connected();
    try {
      return await link.until(work(link.connection, link.issuer));
    } catch (error) {
      if (!isRefusal(error) || !(await rolledBack(link, error instanceof StatementFailed))) link.end();
      throw error;
    }
  }
}

/** @param byIssuer whose statement failed: the other one must not have a statement in progress before the answer to it has ended */
async function rolledBack(link: Link, byIssuer: boolean): Promise<boolean> {
  if (link.gone) return false;
  const { issuer, connection } = link;
  const slow = setTimeout(() => link.end(), ROLLBACK_MS);
  try {
    await link.until(byIssuer ? issuer.rows('rollback') : connection.unsafe('rollback', [], { prepare: true }));
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(slow);
  }
}

/** Connections to the journals as their owners, by name. */
export type Journals = ReadonlyMap<string, Transactions>;

/** A connection on which transactions run one after the other, and which may break at any moment. */
import type { Connection, ConnectOptions } from './connect.ts';
import { ConnectionLost, isRefusal, Link } from './link.ts';
import type { Issuer } from './pipeline.ts';
import { CallerGone } from './pool.ts';

const ROLLBACK_MS = 5000;
/** Pauses between attempts to have the next connection ready: the first, and the longest. */
const AGAIN_MS = 50;
const LONGEST_AGAIN_MS = 1000;

/**
 * Once it has had a connection it keeps one: when that ends the next one is made at once, so that the first transaction after the database is
 * back does not wait for handshakes.
 */
export class Transactions {
  readonly #options: Omit<ConnectOptions, 'max' | 'onClose'>;
  readonly #prepare: (issuer: Issuer) => Promise<void>;
  #link: Link | undefined;
  #opening: Promise<Link> | undefined;
  #reopening = false;
  #turn: Promise<unknown> = Promise.resolve();
  #ended = false;

  /** @param prepare is done once on every new connection, before anything else. */
  constructor(options: Omit<ConnectOptions, 'max' | 'onClose'>, prepare: (issuer: Issuer) => Promise<void> = async () => {}) {
    this.#options = options;
    this.#prepare = prepare;
  }

  /**
   * Runs work that begins and ends its transaction itself. When it fails, the transaction is rolled back before this fails with the same error.
   * @param deadline on the clock of `performance.now()`: what has not begun by then fails with `CallerGone`
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

  /** Ends the connection when the work before is done. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#turn;
    this.#link?.end();
  }

  /** The connection, or the outcome of the attempt to make one. */
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

  /** Makes the next connection as soon as it can be made. */
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
      if (!isRefusal(error) || !(await rolledBack(link))) link.end();
      throw error;
    }
  }
}

async function rolledBack(link: Link): Promise<boolean> {
  if (link.gone) return false;
  const slow = setTimeout(() => link.end(), ROLLBACK_MS);
  try {
    await link.until(link.connection.unsafe('rollback', [], { prepare: true }));
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(slow);
  }
}

/** A connection on which transactions run one after the other, and which may break at any moment. */
import type { Connection, ConnectOptions } from './connect.ts';
import { ConnectionLost, isRefusal, Link } from './link.ts';
import { CallerGone } from './pool.ts';

const ROLLBACK_MS = 5000;

export class Transactions {
  readonly #options: Omit<ConnectOptions, 'max' | 'onClose'>;
  readonly #prepare: (connection: Connection) => Promise<void>;
  #link: Link | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #ended = false;

  /** @param prepare is done once on every new connection, before anything else. */
  constructor(options: Omit<ConnectOptions, 'max' | 'onClose'>, prepare: (connection: Connection) => Promise<void> = async () => {}) {
    this.#options = options;
    this.#prepare = prepare;
  }

  /**
   * Runs work that begins and ends its transaction itself. When it fails, the transaction is rolled back before this fails with the same error.
   * @param deadline on the clock of `performance.now()`: what has not begun by then fails with `CallerGone`
   */
  run<T>(work: (connection: Connection) => Promise<T>, deadline = Number.POSITIVE_INFINITY): Promise<T> {
    const result = this.#turn.then(() => {
      if (deadline <= performance.now()) throw new CallerGone();
      return this.#run(work);
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Runs work between `begin` and `commit`. */
  transact<T>(work: (connection: Connection) => Promise<T>, deadline?: number): Promise<T> {
    return this.run(async (connection) => {
      await connection`begin`;
      const result = await work(connection);
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

  async #run<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#ended) throw new ConnectionLost('the service is ending');
    if (this.#link === undefined || this.#link.gone) this.#link = await Link.open(this.#options, this.#prepare);
    const link = this.#link;
    try {
      return await link.until(work(link.connection));
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

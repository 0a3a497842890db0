/**
 * A connection on which transactions run one after the other, and which may break at any moment.
 *
 * `postgres` 3.4.9 has three holes there: statements of a reserved connection that wait behind another are never answered when it breaks; the
 * `rollback` of its `begin` writes to a socket that is gone, which ends the process; and a connection that is released after its end is handed
 * out again. So each connection has a pool of its own here, which ends with it, and nothing waits longer than the connection lives.
 */
import postgres from 'postgres';
import { type Connection, type ConnectOptions, connect, type Sql } from './connect.ts';

/** How long making a connection may take, and how long a rollback. */
const OPEN_MS = 10_000;
const ROLLBACK_MS = 5000;

/** The connection broke, or none could be made. What it was doing may or may not have happened. */
export class ConnectionLost extends Error {}

interface Link {
  readonly pool: Sql;
  readonly connection: Connection;
  /** Rejects when the connection is gone. */
  readonly lost: Promise<never>;
}

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

  /** Runs work that begins and ends its transaction itself. When it fails, the transaction is rolled back before this fails with the same error. */
  run<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => this.#run(work));
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Runs work between `begin` and `commit`. */
  transact<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.run(async (connection) => {
      await connection`begin`;
      const result = await work(connection);
      const { command } = await connection`commit`;
      if (command !== 'COMMIT') throw new Error(`COMMIT was answered ${command}`);
      return result;
    });
  }

  /** Ends the connection when the work before is done. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#turn;
    this.#drop();
  }

  async #run<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    this.#link ??= await this.#open();
    const { connection, lost } = this.#link;
    try {
      return await Promise.race([work(connection), lost]);
    } catch (error) {
      if (!isRefusal(error) || !(await rolledBack(connection, lost))) this.#drop();
      throw error;
    }
  }

  async #open(): Promise<Link> {
    if (this.#ended) throw new ConnectionLost('the service is ending');
    const { promise: lost, reject } = Promise.withResolvers<never>();
    lost.catch(() => {});
    const pool = connect({
      ...this.#options,
      max: 1,
      onClose: () => {
        reject(new ConnectionLost('the connection to PostgreSQL was lost'));
        if (this.#link?.pool === pool) this.#drop();
      },
    });
    const opened = (async () => {
      const connection = await pool.reserve();
      await this.#prepare(connection);
      return connection;
    })();
    try {
      return { pool, lost, connection: await Promise.race([opened, lost, after(OPEN_MS)]) };
    } catch (error) {
      opened.catch(() => {});
      endNow(pool);
      throw error;
    }
  }

  #drop(): void {
    const link = this.#link;
    this.#link = undefined;
    if (link !== undefined) endNow(link.pool);
  }
}

/** Whether the server said no and goes on living: its FATAL means that it closes the connection. */
const isRefusal = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && error.severity !== 'FATAL' && error.severity !== 'PANIC';

async function rolledBack(connection: Connection, lost: Promise<never>): Promise<boolean> {
  try {
    await Promise.race([connection.unsafe('rollback', [], { prepare: true }), lost, after(ROLLBACK_MS)]);
    return true;
  } catch {
    return false;
  }
}

/** From here on every statement on the pool is refused at once. */
function endNow(pool: Sql): void {
  pool.end({ timeout: 0 }).catch(() => {});
}

function after(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new ConnectionLost('PostgreSQL does not answer')), ms).unref();
  });
}

/**
 * Statements without a transaction, on a few connections: each on a connection that nothing else uses, in order of arrival. A statement
 * whose caller has timed out before its turn is not sent. If a connection breaks, only the statement on it fails.
 *
 * A search may take seconds, and a few of them would occupy all connections. So it is first tried for a moment; one that takes longer is
 * cancelled, and run again among the long ones, which never have more than half of the connections.
 */
import type postgres from 'postgres';
import { type Connection, sqlState } from './connect.ts';
import { ConnectionLost, isEnd, Link, type LinkOptions } from './link.ts';

/** Maximum statements that wait for a connection; further ones are rejected. */
export const MAX_WAITING = 2000;
/** How long a search may take before it counts as long. */
const SHORT_MS = 500;
/** A search that is still running so shortly before its caller gives up is cancelled, so that the caller learns why. */
const ANSWER_MS = 250;
/** The SQLSTATE of a statement that was cancelled. */
const CANCELLED = '57014';

/** The caller has timed out: nothing was done. */
export class CallerGone extends Error {}

/** Too many statements wait: nothing was done. */
export class PoolFull extends Error {}

type Rows = readonly (object | undefined)[];

/** A fragment that can be part of another statement. */
interface Fragment {
  readonly part: (connection: Connection) => postgres.PendingQuery<postgres.Row[]>;
}

/** A statement, sent when it is awaited. */
export interface Statement<R extends Rows> extends PromiseLike<postgres.RowList<R>>, Fragment {}

type ParameterValue = string | number | boolean | null | Uint8Array | Fragment;

/** Creates statements, like `postgres`. */
export interface Queries {
  <R extends Rows = postgres.Row[]>(text: TemplateStringsArray, ...values: readonly ParameterValue[]): Statement<R>;
  unsafe<R extends Rows = postgres.Row[]>(text: string, values?: readonly string[], options?: { readonly prepare?: boolean }): Statement<R>;
  /** Runs a statement that only reads and may take long: at most the `statement_timeout` of the session. */
  search<R extends Rows>(statement: Statement<R>): Promise<postgres.RowList<R>>;
  /** The same, for a caller with this deadline on the clock of `performance.now()`. */
  before(deadline: number): Queries;
}

type Lane = 'short' | 'long';

interface WaitingStatement {
  /** The order of arrival. */
  readonly place: number;
  readonly deadline: number;
  readonly begin: () => void;
  readonly refuse: (error: Error) => void;
}

export class Pool {
  /** Statements without a deadline. */
  readonly sql: Queries;
  readonly #options: LinkOptions;
  readonly #max: number;
  readonly #idle: Link[] = [];
  readonly #links = new Set<Link>();
  readonly #waiting: Readonly<Record<Lane, WaitingStatement[]>> = { short: [], long: [] };
  #placed = 0;
  #busy = 0;
  /** How many of them are busy with long statements. */
  #long = 0;
  #ended = false;
  #empty: (() => void) | undefined;

  constructor(options: LinkOptions & { readonly max: number }) {
    const { max, ...rest } = options;
    this.#max = max;
    this.#options = {
      ...rest,
      onClose: () => {
        this.#forget();
        rest.onClose?.();
      },
    };
    this.sql = this.#queries(Number.POSITIVE_INFINITY);
  }

  /** Runs work on a connection of its own. */
  async run<T>(work: (connection: Connection) => Promise<T>, deadline = Number.POSITIVE_INFINITY, lane: Lane = 'short'): Promise<T> {
    await this.#turn(deadline, lane);
    try {
      const link = this.#idle.pop() ?? (await Link.open(this.#options));
      this.#links.add(link);
      try {
        return await link.until(work(link.connection));
      } catch (error) {
        // Else the next statement would be sent on it before its end arrives.
        if (isEnd(error)) link.end();
        throw error;
      } finally {
        if (link.gone) this.#links.delete(link);
        else this.#idle.push(link);
      }
    } finally {
      this.#next(lane);
    }
  }

  /** Rejects what waits, gives statements in progress a moment to finish, and closes the connections. */
  async end(withinMs = 2000): Promise<void> {
    this.#ended = true;
    for (const waiting of Object.values(this.#waiting))
      for (const { refuse } of waiting.splice(0)) refuse(new ConnectionLost('the service is ending'));
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#empty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const link of this.#links) link.end();
    this.#links.clear();
  }

  #turn(deadline: number, lane: Lane): Promise<void> {
    if (this.#ended) return Promise.reject(new ConnectionLost('the service is ending'));
    if (deadline <= performance.now()) return Promise.reject(new CallerGone());
    if (this.#busy < this.#max && this.#mayBegin(lane)) {
      this.#busy += 1;
      if (lane === 'long') this.#long += 1;
      return Promise.resolve();
    }
    if (this.#waiting.short.length + this.#waiting.long.length >= MAX_WAITING) return Promise.reject(new PoolFull());
    return new Promise((resolve, reject) => {
      this.#placed += 1;
      this.#waiting[lane].push({ place: this.#placed, deadline, begin: resolve, refuse: reject });
    });
  }

  #mayBegin(lane: Lane): boolean {
    return lane === 'short' || this.#long < Math.max(1, Math.floor(this.#max / 2));
  }

  /** Gives the free connection to the longest-waiting caller that may have it and has not timed out. */
  #next(before: Lane): void {
    if (before === 'long') this.#long -= 1;
    for (;;) {
      const { short, long } = this.#waiting;
      const lane =
        this.#mayBegin('long') && (long[0]?.place ?? Number.POSITIVE_INFINITY) < (short[0]?.place ?? Number.POSITIVE_INFINITY)
          ? 'long'
          : 'short';
      const next = this.#waiting[lane].shift();
      if (next === undefined) break;
      if (next.deadline > performance.now()) {
        if (lane === 'long') this.#long += 1;
        next.begin();
        return;
      }
      next.refuse(new CallerGone());
    }
    this.#busy -= 1;
    if (this.#busy === 0) this.#empty?.();
  }

  async #search<R extends Rows>(statement: Statement<R>, deadline: number): Promise<postgres.RowList<R>> {
    try {
      return await this.run((connection) => limited(connection, SHORT_MS, statement), deadline);
    } catch (error) {
      if (sqlState(error) !== CANCELLED) throw error;
    }
    return await this.run((connection) => limited(connection, deadline - performance.now() - ANSWER_MS, statement), deadline, 'long');
  }

  /** Removes connections that ended while idle. */
  #forget(): void {
    for (const link of this.#links) if (link.gone) this.#links.delete(link);
    const living = this.#idle.filter((link) => !link.gone);
    this.#idle.splice(0, this.#idle.length, ...living);
  }

  #queries(deadline: number): Queries {
    const run = <R extends Rows>(part: (connection: Connection) => postgres.PendingQuery<postgres.Row[]>): Statement<R> =>
      new PooledStatement<R>((work) => this.run(work, deadline), part);
    return Object.assign(
      <R extends Rows>(text: TemplateStringsArray, ...values: readonly ParameterValue[]) =>
        run<R>((connection) =>
          connection(
            text,
            ...values.map((value) => (typeof value === 'object' && value !== null && 'part' in value ? value.part(connection) : value)),
          ),
        ),
      {
        unsafe: <R extends Rows>(text: string, values: readonly string[] = [], options: { readonly prepare?: boolean } = {}) =>
          run<R>((connection) => connection.unsafe(text, [...values], options)),
        search: <R extends Rows>(statement: Statement<R>) => this.#search(statement, deadline),
        before: (until: number) => this.#queries(until),
      },
    );
  }
}

/** Runs a statement with a time-out of `ms` milliseconds, if that of the session is longer. */
async function limited<R extends Rows>(connection: Connection, ms: number, { part }: Statement<R>): Promise<postgres.RowList<R>> {
  const most = String(Math.max(1, Math.min(Math.floor(ms), 2 ** 31 - 1)));
  // Sent together. The last one is carried out whatever becomes of the one before.
  const all = [
    connection.unsafe(LIMIT, [most]).execute(),
    part(connection).execute(),
    connection.unsafe('reset statement_timeout').execute(),
  ];
  const [began, found, ended] = await Promise.allSettled(all);
  for (const one of [began, found, ended]) if (one?.status === 'rejected') throw one.reason;
  // The caller declares the type of the rows; it is not checked.
  return (found as PromiseFulfilledResult<unknown>).value as postgres.RowList<R>;
}

/** 0 would mean no time-out at all; sessions of searches have one. */
const LIMIT = `select set_config('statement_timeout',
  least(extract(epoch from current_setting('statement_timeout')::interval) * 1000, $1::text::float8)::int::text, false)`;

class PooledStatement<R extends Rows> implements Statement<R> {
  readonly part: (connection: Connection) => postgres.PendingQuery<postgres.Row[]>;
  readonly #run: (work: (connection: Connection) => Promise<postgres.RowList<R>>) => Promise<postgres.RowList<R>>;
  #result: Promise<postgres.RowList<R>> | undefined;

  constructor(
    run: (work: (connection: Connection) => Promise<postgres.RowList<R>>) => Promise<postgres.RowList<R>>,
    part: (connection: Connection) => postgres.PendingQuery<postgres.Row[]>,
  ) {
    this.#run = run;
    this.part = part;
  }

  // biome-ignore lint/suspicious/noThenProperty: a statement is awaited, as the library's are
  then<Done = postgres.RowList<R>, Failed = never>(
    onDone?: ((rows: postgres.RowList<R>) => Done | PromiseLike<Done>) | null,
    onFailed?: ((error: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Done | Failed> {
    // The caller declares the type of the rows; it is not checked.
    this.#result ??= this.#run((connection) => this.part(connection) as unknown as Promise<postgres.RowList<R>>);
    return this.#result.then(onDone, onFailed);
  }
}

/**
 * Statements without a transaction, on a few connections: each on a connection that nothing else uses, in order of arrival. A statement
 * whose caller has timed out before its turn is not sent. If a connection breaks, only the statement on it fails.
 */
import type postgres from 'postgres';
import type { Connection } from './connect.ts';
import { ConnectionLost, Link, type LinkOptions } from './link.ts';

/** Maximum statements that wait for a connection; further ones are rejected. */
const MAX_WAITING = 2000;

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
  /** The same, for a caller with this deadline on the clock of `performance.now()`. */
  before(deadline: number): Queries;
}

interface WaitingStatement {
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
  readonly #waiting: WaitingStatement[] = [];
  #busy = 0;
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
  async run<T>(work: (connection: Connection) => Promise<T>, deadline = Number.POSITIVE_INFINITY): Promise<T> {
    await this.#turn(deadline);
    try {
      const link = this.#idle.pop() ?? (await Link.open(this.#options));
      this.#links.add(link);
      try {
        return await link.until(work(link.connection));
      } finally {
        if (link.gone) this.#links.delete(link);
        else this.#idle.push(link);
      }
    } finally {
      this.#next();
    }
  }

  /** Rejects what waits, gives statements in progress a moment to finish, and closes the connections. */
  async end(withinMs = 2000): Promise<void> {
    this.#ended = true;
    for (const { refuse } of this.#waiting.splice(0)) refuse(new ConnectionLost('the service is ending'));
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

  #turn(deadline: number): Promise<void> {
    if (this.#ended) return Promise.reject(new ConnectionLost('the service is ending'));
    if (deadline <= performance.now()) return Promise.reject(new CallerGone());
    if (this.#busy < this.#max) {
      this.#busy += 1;
      return Promise.resolve();
    }
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(new PoolFull());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ deadline, begin: resolve, refuse: reject });
    });
  }

  /** Gives the free connection to the longest-waiting caller that has not timed out. */
  #next(): void {
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (next.deadline > performance.now()) {
        next.begin();
        return;
      }
      next.refuse(new CallerGone());
    }
    this.#busy -= 1;
    if (this.#busy === 0) this.#empty?.();
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
        before: (until: number) => this.#queries(until),
      },
    );
  }
}

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

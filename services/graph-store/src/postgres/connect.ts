/** Connections to PostgreSQL, each kind with the settings its work needs. */
import { readFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { parseOwnJson } from '@polyedge/query/json-text';
import postgres from 'postgres';

export type Sql = postgres.Sql<{ bigint: number; json: unknown }>;
/** What statements are made with: a pool, a connection, or a transaction. */
export type Statements = postgres.ISql<{ bigint: number; json: unknown }>;
/** One connection taken out of its pool: statements issued without waiting travel together. */
export type Connection = postgres.ReservedSql<{ bigint: number; json: unknown }>;

export interface ConnectOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly max: number;
  /** Settings of the session, such as `lock_timeout`. */
  readonly session?: Readonly<Record<string, string>>;
  /** Called at once when a connection has ended, and when one could not be made. */
  readonly onClose?: () => void;
  /** Told of the socket of each connection; not of those over TLS, through a file, or to one of several servers, which the library makes. */
  readonly onSocket?: (socket: Socket) => void;
}

/** int8 as a number: seqs, versions and times stay below 2^53. */
const bigint = {
  to: 20,
  from: [20],
  serialize: (value: number): string => String(value),
  parse: (text: string): number => Number(text),
};

/**
 * json and jsonb. In: text that is JSON already, as it is. Out: values that keep large integers; a number that a statement has computed may have
 * no exact value: it is rounded.
 */
const json = {
  to: 114,
  from: [114, 3802],
  serialize: (text: unknown): unknown => text,
  parse: (text: string): unknown => parseOwnJson(text) ?? JSON.parse(text),
};

/** A value of a row from PostgreSQL's text for it, by its type's number: as what `connect` makes of it. */
export function parseColumn(type: number, text: string): unknown {
  switch (type) {
    case 16:
      return text === 't';
    case 17:
      return Buffer.from(text.slice(2), 'hex');
    case 20:
    case 21:
    case 23:
      return Number(text);
    case 114:
    case 3802:
      return json.parse(text);
    default:
      return text;
  }
}

/** PostgreSQL's answer to a statement that it did not carry out. */
export class StatementFailed extends Error {
  /** The SQLSTATE. */
  readonly code: string;
  readonly severity: string;

  constructor(message: string, code: string, severity: string) {
    super(message);
    this.code = code;
    this.severity = severity;
  }
}

/** Whether an error is PostgreSQL's answer. */
export const isAnswer = (error: unknown): error is { readonly code: string; readonly severity: string } =>
  error instanceof StatementFailed || error instanceof postgres.PostgresError;

export function connect({ url, name, max, session, onClose, onSocket }: ConnectOptions): Sql {
  const authority = authorityOf(url);
  const options = {
    ...(authority === undefined ? {} : { ssl: { ca: authority.certificate, rejectUnauthorized: true, host: authority.host } }),
    max,
    types: { bigint, json },
    connection: { application_name: name, ...session },
    connect_timeout: 5,
    // A pool that waits ever longer would keep a service down after the database is back.
    backoff: () => 0.25,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
    ...(onClose === undefined ? {} : { onclose: onClose }),
    // Asking for the types of arrays is what rejects where nobody can catch it when the connection breaks meanwhile. Arrays travel as JSON.
    fetch_types: false,
  };
  // Nothing is connected before the first statement.
  const library = postgres(authority?.url ?? url, options);
  const { host: hosts, path, ssl } = library.options;
  if (onSocket === undefined || hosts.length > 1 || path || ssl) return library;
  const withSocket = {
    ...options,
    // The library's types leave it out.
    socket: ({ host: [host = ''], port: [port = 0] }: { readonly host: string[]; readonly port: number[] }): Socket => {
      const socket = dial({ host, port, noDelay: true });
      onSocket(socket);
      return socket;
    },
  };
  return postgres(url, withSocket);
}

/** `?sslrootcert=FILE`, as libpq has it: TLS, with a server whose certificate this authority signed and whose name is the host's. */
function authorityOf(text: string): { readonly url: string; readonly host: string; readonly certificate: string } | undefined {
  const url = new URL(text);
  const file = url.searchParams.get('sslrootcert');
  if (file === null || file === 'system') return undefined;
  url.searchParams.delete('sslrootcert');
  url.searchParams.delete('sslmode');
  return { url: url.href, host: url.hostname, certificate: readFileSync(file, 'utf8') };
}

/**
 * What writing connections give up on, so that one stopped replica cannot stop the others. They read and write by key: PostgreSQL must not
 * think, from statistics older than the data, that reading a whole table or compiling a plan is cheaper.
 */
export const WRITER_SESSION = {
  idle_in_transaction_session_timeout: '2s',
  lock_timeout: '5s',
  statement_timeout: '10s',
  enable_seqscan: 'off',
  jit: 'off',
  // Two large elements in one batch stay in memory.
  work_mem: '32MB',
};

/** What readers give up on. */
export const READER_SESSION = { statement_timeout: '10s', idle_in_transaction_session_timeout: '15s' };

/** The settings without which an acknowledged write could be lost. Returns those that are off. */
export async function missingDurability(sql: Statements): Promise<string[]> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')`;
  return rows.filter(({ setting }) => setting === 'off').map(({ name }) => name);
}

/** The SQLSTATE of a failed statement, or undefined when the failure was not PostgreSQL's answer (the connection broke). */
export function sqlState(error: unknown): string | undefined {
  return isAnswer(error) ? error.code : undefined;
}

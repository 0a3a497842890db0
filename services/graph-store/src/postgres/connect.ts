/** Connections to PostgreSQL, with session settings for each kind of work. */
import { readFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { parseOwnJson } from '@polyedge/query/json-text';
import postgres from 'postgres';

export type Sql = postgres.Sql<{ bigint: number; json: unknown }>;
/** Something to send statements with: a pool, a connection, or a transaction. */
export type Statements = postgres.ISql<{ bigint: number; json: unknown }>;
/** One connection taken from its pool: statements issued without waiting are sent together. */
export type Connection = postgres.ReservedSql<{ bigint: number; json: unknown }>;

export interface ConnectOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly max: number;
  /** Settings of the session, such as `lock_timeout`. */
  readonly session?: Readonly<Record<string, string>>;
  /** Called when a connection has ended or could not be made. */
  readonly onClose?: () => void;
  /** Called with the socket of each connection; not for TLS, Unix sockets or several servers, whose sockets the library creates. */
  readonly onSocket?: (socket: Socket) => void;
}

/** int8 as a number: seqs, versions and times are below 2^53. */
const bigint = {
  to: 20,
  from: [20],
  serialize: (value: number): string => String(value),
  parse: (text: string): number => Number(text),
};

/**
 * json and jsonb. Parameters are JSON text, passed unchanged. Results keep large integers; a number computed by a statement may have no
 * exact representation and is rounded.
 */
const json = {
  to: 114,
  from: [114, 3802],
  serialize: (text: unknown): unknown => text,
  parse: (text: string): unknown => parseOwnJson(text) ?? JSON.parse(text),
};

/** Parses the text of a column by the number of its type, like `connect` does. */
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

/** A statement that PostgreSQL rejected. */
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

/** Whether an error is an answer of PostgreSQL. */
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
    // A growing pause would keep the service down after the database has recovered.
    backoff: () => 0.25,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
    ...(onClose === undefined ? {} : { onclose: onClose }),
    // Fetching the types of arrays can reject where it cannot be caught if the connection breaks meanwhile. Arrays are sent as JSON.
    fetch_types: false,
  };
  // Connects on the first statement.
  const library = postgres(authority?.url ?? url, options);
  const { host: hosts, path, ssl } = library.options;
  if (onSocket === undefined || hosts.length > 1 || path || ssl) return library;
  const withSocket = {
    ...options,
    // Missing from the library's types.
    socket: ({ host: [host = ''], port: [port = 0] }: { readonly host: string[]; readonly port: number[] }): Socket => {
      const socket = dial({ host, port, noDelay: true });
      onSocket(socket);
      return socket;
    },
  };
  return postgres(url, withSocket);
}

/** `?sslrootcert=FILE`, as in libpq: TLS, with a server whose certificate is signed by this authority and has the host's name. */
function authorityOf(text: string): { readonly url: string; readonly host: string; readonly certificate: string } | undefined {
  const url = new URL(text);
  const file = url.searchParams.get('sslrootcert');
  if (file === null || file === 'system') return undefined;
  url.searchParams.delete('sslrootcert');
  url.searchParams.delete('sslmode');
  return { url: url.href, host: url.hostname, certificate: readFileSync(file, 'utf8') };
}

/**
 * Time-outs of writing connections, so that one suspended replica cannot block the others. They read and write by key: with outdated
 * statistics the planner must not choose a table scan or JIT compilation.
 */
export const WRITER_SESSION = {
  idle_in_transaction_session_timeout: '2s',
  lock_timeout: '5s',
  statement_timeout: '10s',
  enable_seqscan: 'off',
  jit: 'off',
  // Two large elements in one batch fit into memory.
  work_mem: '32MB',
};

/** Time-outs of readers. */
export const READER_SESSION = { statement_timeout: '10s', idle_in_transaction_session_timeout: '15s' };

/** Settings with which an acknowledged write could be lost, such as `fsync = off`. With `local`, a commit waits for no standby. */
export async function unsafeSettings(sql: Statements): Promise<string[]> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit') order by name`;
  const unsafe = rows.filter(({ name, setting }) => setting === 'off' || (name === 'synchronous_commit' && setting === 'local'));
  return unsafe.map(({ name, setting }) => `${name} = ${setting}`);
}

/** The SQLSTATE of a failed statement, or undefined if PostgreSQL did not answer (the connection broke). */
export function sqlState(error: unknown): string | undefined {
  return isAnswer(error) ? error.code : undefined;
}

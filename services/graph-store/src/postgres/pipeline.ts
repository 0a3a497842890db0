/**
 * Pipelines statements on one connection. `postgres` ends each statement with its own Sync, so that the server answers each with a separate
 * write, and it batches what it sends with a timer; for a small batch that costs as much as the work itself. Here all statements issued
 * together are one write with one Sync, and their answers are one write: a transaction is two round trips of one message each. If a
 * statement fails, the server skips those after it, and they fail with it.
 *
 * The library has opened the connection and owns it; it must not have a statement in progress when one of these is sent. Statements are
 * prepared on first use, in the same round trip. Values are sent as text, and the server derives their types from the statement.
 */
import type { Duplex } from 'node:stream';
import { utf8Of } from '@polyedge/query/utf8';
import { type Connection, parseColumn, StatementFailed } from './connect.ts';

/** A prepared statement: its name on the connection, and the columns of its rows once the server has described them. */
interface Prepared {
  readonly name: string;
  readonly text: string;
  columns: readonly { readonly name: string; readonly type: number }[];
  /** The server has confirmed it. Until then, it may still reject it. */
  known: boolean;
}

interface Issued {
  readonly statement: Prepared;
  readonly values: readonly string[];
  /** Sent together with a Describe. */
  readonly described: boolean;
  /** As received from the server. */
  readonly rows: Buffer[];
  readonly done: (answer: StatementAnswer) => void;
  readonly failed: (error: unknown) => void;
}

export interface StatementAnswer<Row = Record<string, unknown>> {
  readonly rows: readonly Row[];
  /** The command tag of the server: `COMMIT`, `SELECT 3`. */
  readonly command: string;
}

/** Issues statements on one connection; those issued without waiting for each other are sent together. */
export interface Issuer {
  /**
   * Issues a statement after all earlier ones.
   * @param once it will not be issued again, so the server need not keep it
   */
  issue<Row>(text: string, values?: readonly string[], once?: boolean): Promise<StatementAnswer<Row>>;
  /** The rows of a statement. */
  rows<Row>(text: string, values?: readonly string[], once?: boolean): Promise<readonly Row[]>;
  /** Prepares a statement in advance, so that the statements after its first use do not wait for its description. */
  prepare(text: string, values: number): Promise<void>;
}

const SYNC = Buffer.from([0x53, 0, 0, 0, 4]);
/** Prepared statements become invalid after a migration, or are lost by a proxy in between: the next attempt prepares them again. */
const PREPARE_AGAIN = /^(0A000|26000)$/;

export class Pipeline implements Issuer {
  readonly #stream: Duplex;
  readonly #library: (chunk: Buffer) => void;
  readonly #statements = new Map<string, Prepared>();
  #made = 0;
  /** Not sent yet. */
  #issued: Issued[] = [];
  /** Sent, in groups that end with a Sync each. */
  readonly #sent: Issued[][] = [];
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Length of the message being received, as far as its header has arrived. */
  #needed = 5;

  /** @param stream of an open connection without a statement in progress */
  constructor(stream: Duplex) {
    this.#stream = stream;
    const listeners = stream.rawListeners('data');
    this.#library = (chunk) => {
      for (const listener of listeners) Reflect.apply(listener, stream, [chunk]);
    };
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => (this.#sent.length === 0 ? this.#library(chunk) : this.#read(chunk)));
  }

  /** It is sent together with all statements issued until the currently settled promises have been handled. */
  issue<Row>(text: string, values: readonly string[] = [], once = false): Promise<StatementAnswer<Row>> {
    const known = this.#statements.get(text);
    const statement = known ?? { name: once ? '' : `p${this.#made++}`, text, columns: [], known: false };
    if (known === undefined && !once) this.#statements.set(text, statement);
    if (this.#issued.length === 0) process.nextTick(() => this.#send());
    const answer = new Promise<StatementAnswer>((done, failed) => {
      this.#issued.push({ statement, values, described: known === undefined, rows: [], done, failed });
    });
    // A caller that issues several waits for the first one that fails.
    answer.catch(() => {});
    // The caller declares the type of the rows; it is not checked.
    return answer as Promise<StatementAnswer<Row>>;
  }

  async rows<Row>(text: string, values?: readonly string[], once?: boolean): Promise<readonly Row[]> {
    return (await this.issue<Row>(text, values, once)).rows;
  }

  async prepare(): Promise<void> {
    // Its result is never awaited.
  }

  #send(): void {
    const issued = this.#issued;
    this.#issued = [];
    // Callers on a connection that has ended are notified by the connection.
    if (!this.#stream.writable) return;
    this.#sent.push(issued);
    this.#stream.write(encoded(issued));
  }

  // ---- messages from the server

  #read(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    let at = 0;
    this.#needed = 5;
    while (bytes.length - at >= 5) {
      const length = 1 + bytes.readUInt32BE(at + 1);
      if (bytes.length - at < length) {
        this.#needed = length;
        break;
      }
      this.#message(bytes[at] ?? 0, bytes.subarray(at + 5, at + length));
      at += length;
      if (this.#sent.length === 0) {
        // What follows is not an answer to us: a notice, or what the library waits for.
        this.#chunks = [];
        this.#bytes = 0;
        if (at < bytes.length) this.#library(bytes.subarray(at));
        return;
      }
    }
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#bytes = bytes.length - at;
  }

  #message(kind: number, body: Buffer): void {
    const [group] = this.#sent;
    if (group === undefined) return;
    const [first] = group;
    switch (String.fromCharCode(kind)) {
      case '1':
        if (first !== undefined) first.statement.known = true;
        break;
      case 'T':
        if (first !== undefined) first.statement.columns = columnsOf(body);
        break;
      case 'D':
        first?.rows.push(body);
        break;
      case 'C':
        group.shift();
        if (first !== undefined) complete(first, body.toString('utf8', 0, body.length - 1));
        break;
      case 'E':
        this.#fail(group.splice(0), failureOf(body));
        break;
      case 'Z':
        this.#sent.shift();
        break;
    }
  }

  #fail(group: readonly Issued[], failure: StatementFailed): void {
    for (const { statement, failed } of group) {
      const forgotten = !statement.known || PREPARE_AGAIN.test(failure.code);
      if (forgotten && this.#statements.get(statement.text) === statement) this.#statements.delete(statement.text);
      failed(failure);
    }
  }
}

function complete({ statement, rows, done, failed }: Issued, command: string): void {
  try {
    done({ rows: rows.map((row) => rowOf(statement, row)), command });
  } catch (error) {
    failed(error);
  }
}

/** The same on a connection whose bytes only the library can access. */
export function issuerOf(connection: Connection): Issuer {
  const answered = async <Row>(text: string, values: readonly string[], once: boolean): Promise<StatementAnswer<Row>> => {
    // `execute()` sends it now, so that it is after earlier statements and before later ones.
    const rows = await connection.unsafe<(Row & object)[]>(text, [...values], { prepare: !once }).execute();
    return { rows, command: rows.command };
  };
  const issue = <Row>(text: string, values: readonly string[] = [], once = false): Promise<StatementAnswer<Row>> => {
    const answer = answered<Row>(text, values, once);
    // A caller that issues several waits for the first one that fails.
    answer.catch(() => {});
    return answer;
  };
  return {
    issue,
    rows: async <Row>(...statement: Parameters<Issuer['rows']>) => (await issue<Row>(...statement)).rows,
    prepare: async (text, values) => {
      await connection
        .unsafe(
          text,
          Array.from({ length: values }, () => ''),
        )
        .describe();
    },
  };
}

// ---- encoding

/** Parse, Describe, Bind and Execute of each, and one Sync, in one buffer. */
function encoded(issued: readonly Issued[]): Buffer {
  let size = SYNC.length;
  const sizes: number[] = [];
  for (const { statement, values, described } of issued) {
    const name = statement.name.length;
    if (described) size += 1 + 4 + name + 1 + Buffer.byteLength(statement.text) + 1 + 2 + (1 + 4 + 1 + name + 1);
    size += 1 + 4 + 1 + name + 1 + 2 + 2 + 2 + (1 + 4 + 1 + 4);
    for (const value of values) {
      const bytes = Buffer.byteLength(value);
      sizes.push(bytes);
      size += 4 + bytes;
    }
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  const text = (value: string): void => {
    at += bytes.write(value, at);
    bytes[at++] = 0;
  };
  const begin = (kind: string): number => {
    at += bytes.write(kind, at, 'latin1') + 4;
    return at - 4;
  };
  const end = (from: number): number => bytes.writeUInt32BE(at - from, from);
  let value = 0;
  for (const { statement, values, described } of issued) {
    if (described) {
      const parse = begin('P');
      text(statement.name);
      text(statement.text);
      at = bytes.writeUInt16BE(0, at);
      end(parse);
      const describe = begin('D');
      at += bytes.write('S', at, 'latin1');
      text(statement.name);
      end(describe);
    }
    const bind = begin('B');
    text('');
    text(statement.name);
    at = bytes.writeUInt16BE(0, at);
    at = bytes.writeUInt16BE(values.length, at);
    for (const each of values) {
      const length = sizes[value++] ?? 0;
      at = bytes.writeUInt32BE(length, at);
      at += bytes.write(each, at, utf8Of(each, length));
    }
    at = bytes.writeUInt16BE(0, at);
    end(bind);
    const execute = begin('E');
    text('');
    at = bytes.writeUInt32BE(0, at);
    end(execute);
  }
  SYNC.copy(bytes, at);
  return bytes;
}

function columnsOf(body: Buffer): Prepared['columns'] {
  let at = 2;
  return Array.from({ length: body.readUInt16BE(0) }, () => {
    const end = body.indexOf(0, at);
    const column = { name: body.toString('utf8', at, end), type: body.readUInt32BE(end + 7) };
    at = end + 19;
    return column;
  });
}

function rowOf({ columns }: Prepared, body: Buffer): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  let at = 2;
  for (const { name, type } of columns) {
    const length = body.readInt32BE(at);
    at += 4;
    row[name] = length === -1 ? null : parseColumn(type, body.toString('utf8', at, at + length));
    if (length > 0) at += length;
  }
  return row;
}

function failureOf(body: Buffer): StatementFailed {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return new StatementFailed(fields.get('M') ?? '', fields.get('C') ?? '', fields.get('V') ?? '');
}

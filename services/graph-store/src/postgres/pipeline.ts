/**
 * Statements of one connection that travel together. `postgres` ends each statement with a Sync of its own, so that the server answers each with a
 * write of its own, and gathers what it sends by a timer; for a small batch that costs as much as the work. Here whatever is issued in one go is one
 * write with one Sync, and its answers are one write: a transaction is two round trips of one message each. When one of the statements fails, the
 * server passes over those behind it, and they fail with it.
 *
 * The library has made the connection and keeps it; it must not have a statement under way while one of these is. Statements are prepared when they
 * are first used, in the same round trip. Values travel as text, whose types the server derives from the statement.
 */
import type { Duplex } from 'node:stream';
import { type Connection, parseColumn, StatementFailed } from './connect.ts';

/** How a statement is named on the connection, and what its rows are like once the server has said so. */
interface Prepared {
  readonly name: string;
  readonly text: string;
  columns: readonly { readonly name: string; readonly type: number }[];
  /** The server has it. Until it says so, it may still refuse it. */
  known: boolean;
}

interface Issued {
  readonly statement: Prepared;
  readonly values: readonly string[];
  /** Is sent along with what it is. */
  readonly described: boolean;
  /** As the server has sent them. */
  readonly rows: Buffer[];
  readonly done: (answer: Answer) => void;
  readonly failed: (error: unknown) => void;
}

export interface Answer<Row = Record<string, unknown>> {
  readonly rows: readonly Row[];
  /** What was done, in the server's words: `COMMIT`, `SELECT 3`. */
  readonly command: string;
}

/** Issues statements on one connection: whoever waits for none of them before the next has them travel together. */
export interface Issuer {
  /**
   * Issues a statement, behind all before it.
   * @param once it will not come again: the server need not keep it
   */
  issue<Row>(text: string, values?: readonly string[], once?: boolean): Promise<Answer<Row>>;
  /** The rows of a statement. */
  rows<Row>(text: string, values?: readonly string[], once?: boolean): Promise<readonly Row[]>;
  /** Sees to it that what follows a statement does not wait for the server to describe it first, when it is issued for the first time. */
  prepare(text: string, values: number): Promise<void>;
}

const SYNC = Buffer.from([0x53, 0, 0, 0, 4]);
/** Statements are found changed after a migration, or forgotten by whatever stands between: the next attempt prepares them again. */
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
  /** Of the message that has begun, as far as its head has come. */
  #needed = 5;

  /** @param stream of a connection that is made, with no statement under way */
  constructor(stream: Duplex) {
    this.#stream = stream;
    const listeners = stream.rawListeners('data');
    this.#library = (chunk) => {
      for (const listener of listeners) Reflect.apply(listener, stream, [chunk]);
    };
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => (this.#sent.length === 0 ? this.#library(chunk) : this.#read(chunk)));
  }

  /** It leaves with all that are issued until the promises that are settled now have been handled. */
  issue<Row>(text: string, values: readonly string[] = [], once = false): Promise<Answer<Row>> {
    const known = this.#statements.get(text);
    const statement = known ?? { name: once ? '' : `p${this.#made++}`, text, columns: [], known: false };
    if (known === undefined && !once) this.#statements.set(text, statement);
    if (this.#issued.length === 0) process.nextTick(() => this.#send());
    const answer = new Promise<Answer>((done, failed) => {
      this.#issued.push({ statement, values, described: known === undefined, rows: [], done, failed });
    });
    // Whoever issues several waits for all of them.
    answer.catch(() => {});
    // What the rows are is what the caller says they are: nothing looks at them.
    return answer as Promise<Answer<Row>>;
  }

  async rows<Row>(text: string, values?: readonly string[], once?: boolean): Promise<readonly Row[]> {
    return (await this.issue<Row>(text, values, once)).rows;
  }

  async prepare(): Promise<void> {
    // Nothing here ever waits for that.
  }

  #send(): void {
    const issued = this.#issued;
    this.#issued = [];
    // Whoever waits on a connection that has ended is told by it.
    if (!this.#stream.writable) return;
    this.#sent.push(issued);
    this.#stream.write(encoded(issued));
  }

  // ---- what the server says

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

/** The same on a connection whose bytes only the library sees. */
export function issuerOf(connection: Connection): Issuer {
  const issue = async <Row>(text: string, values: readonly string[] = [], once = false): Promise<Answer<Row>> => {
    // Executed, not only awaited: it is then behind what was issued before it and before what comes after.
    const rows = await connection.unsafe<(Row & object)[]>(text, [...values], { prepare: !once }).execute();
    return { rows, command: rows.command };
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

// ---- messages

/** Parse, Describe, Bind and Execute of each, and one Sync, in one piece. */
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
      at = bytes.writeUInt32BE(sizes[value++] ?? 0, at);
      at += bytes.write(each, at);
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

/** The rows of a table in a compressed file: out of PostgreSQL and back, with COPY. */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { Connection } from './connect.ts';
import { isRefusal } from './link.ts';

/** Each piece is confirmed by the socket before the next one. */
const PIECE_BYTES = 256 * 1024;

/**
 * @param statement `copy … to stdout`
 * @returns the SHA-256 of the file, in hexadecimal digits
 */
export async function copyOut(connection: Connection, statement: string, file: string): Promise<string> {
  const rows = await connection.unsafe(statement).readable();
  const sum = createHash('sha256');
  await pipeline(read(rows), createGzip({ level: 1 }), (parts) => summed(parts, sum), createWriteStream(file, { mode: 0o600 }));
  return sum.digest('hex');
}

/**
 * Fails if the file is damaged or PostgreSQL refuses a row; the transaction must then be rolled back.
 * @param statement `copy … from stdin`
 * @param sum of the file; undefined: unknown
 */
export async function copyIn(connection: Connection, statement: string, file: string, sum: string | undefined): Promise<void> {
  const rows = await connection.unsafe(statement).writable();
  // An error of the stream is what a pending write fails with.
  rows.on('error', () => {});
  const read = createHash('sha256');
  try {
    await pipeline(
      createReadStream(file),
      (parts) => summed(parts, read),
      createGunzip({ chunkSize: PIECE_BYTES }),
      async (pieces: AsyncIterable<Buffer>) => {
        for await (const piece of pieces) await write(rows, piece);
      },
    );
    if (sum !== undefined && read.digest('hex') !== sum) throw new Error('it is not the file that was written');
  } catch (error) {
    rows.destroy();
    throw error;
  }
  // The library (3.4.9) does not report an error that comes after the last row: then the stream never finishes, and the next statement
  // fails, since the transaction is aborted. It must not be sent before the end of the rows.
  const finished = once(rows, 'finish');
  rows.end();
  await setImmediate();
  const accepted = connection.unsafe('select 1').catch((error: unknown) => {
    throw isRefusal(error) ? new Error('PostgreSQL refuses one of its last rows') : error;
  });
  await Promise.all([accepted, finished]);
}

/**
 * The rows. The library (3.4.9) pauses its socket when the reader is slower, and does not resume it after the last row; no other statement
 * waits for it.
 */
async function* read(rows: Readable): AsyncGenerator<Buffer> {
  for await (const row of rows) yield row;
  rows._read(0);
}

async function* summed(parts: AsyncIterable<Buffer>, sum: Hash): AsyncGenerator<Buffer> {
  for await (const part of parts) {
    sum.update(part);
    yield part;
  }
}

const write = (rows: NodeJS.WritableStream, piece: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    rows.write(piece, (error) => (error ? reject(error) : resolve()));
  });

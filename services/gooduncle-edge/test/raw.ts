/** A client made of bytes, for what no WebSocket library would do. */
import { connect, type Socket } from 'node:net';
import { until } from '@polyedge/testkit/until';

export interface Frame {
  readonly opcode: number;
  readonly bytes: Buffer;
  readonly payload: Buffer;
  readonly at: number;
}

export class RawClient implements Disposable {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  ended = false;
  /** The handshake is complete. */
  open = false;
  #rest = Buffer.alloc(0);

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.write(
      `GET / HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    this.socket.on('data', (data) => this.#take(data));
    this.socket.on('close', () => {
      this.ended = true;
    });
    this.socket.on('error', () => {});
  }

  /** Sends one frame. */
  frame(first: number, payload: string | Buffer, masked = true): void {
    const data = Buffer.from(payload);
    const header = data.length < 126 ? Buffer.from([first, data.length]) : Buffer.from([first, 126, data.length >> 8, data.length & 255]);
    if (!masked) {
      this.socket.write(Buffer.concat([header, data]));
      return;
    }
    header[1] = (header[1] ?? 0) | 0x80;
    // A mask of zeros is one, and leaves the bytes as they are.
    this.socket.write(Buffer.concat([header, Buffer.alloc(4), data]));
  }

  async until(holds: () => boolean): Promise<void> {
    await until('what the test waits for happens', holds, { seen: () => this.frames.map(({ payload }) => payload.toString()) });
  }

  /** The code of the server's close frame. */
  get closed(): number | undefined {
    const close = this.frames.find(({ opcode }) => opcode === 8);
    return close?.payload.readUInt16BE(0);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #take(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data]);
    if (!this.open) {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.open = true;
      this.#rest = this.#rest.subarray(end + 4);
    }
    for (;;) {
      const [first, second] = this.#rest;
      if (first === undefined || second === undefined) return;
      const header = second < 126 ? 2 : 4;
      const length = second < 126 ? second : this.#rest.length < 4 ? Number.POSITIVE_INFINITY : this.#rest.readUInt16BE(2);
      if (this.#rest.length < header + length) return;
      const bytes = this.#rest.subarray(0, header + length);
      this.frames.push({ opcode: first & 15, bytes, payload: bytes.subarray(header), at: performance.now() });
      this.#rest = this.#rest.subarray(header + length);
    }
  }
}

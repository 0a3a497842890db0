/** A WebSocket client made of bytes: sends exactly what a test says, lawful or not, and reads frames without judging them. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { PATIENCE_MS } from '@polyedge/testkit/until';

export interface FrameParts {
  readonly fin?: boolean;
  /** RSV1–3 as a number 0…7. */
  readonly reserved?: number;
  readonly opcode: number;
  readonly payload?: Buffer | string;
  readonly masked?: boolean;
  /** 7, 16 or 64: the length field to use, whatever the length. */
  readonly lengthBits?: 7 | 16 | 64;
  /** What the length field claims, when it is not the truth. */
  readonly claims?: bigint;
}

/** One frame as bytes. */
export function frame({ fin = true, reserved = 0, opcode, payload = '', masked = true, lengthBits, claims }: FrameParts): Buffer {
  const body = Buffer.from(typeof payload === 'string' ? Buffer.from(payload) : payload);
  const length = claims ?? BigInt(body.length);
  const bits = lengthBits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const header = Buffer.alloc(2 + (bits === 7 ? 0 : bits / 8));
  header[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  header[1] = (masked ? 0x80 : 0) | (bits === 7 ? Number(length) : bits === 16 ? 126 : 127);
  if (bits === 16) header.writeUInt16BE(Number(length), 2);
  if (bits === 64) header.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([header, body]);
  const mask = randomBytes(4);
  for (let at = 0; at < body.length; at += 1) body[at] = (body[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([header, mask, body]);
}

export const closePayload = (code: number, reason: Buffer | string = ''): Buffer =>
  Buffer.concat([Buffer.from([code >> 8, code & 255]), typeof reason === 'string' ? Buffer.from(reason) : reason]);

export interface Received {
  readonly fin: boolean;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Buffer;
}

export interface HandshakeParts {
  readonly method?: string;
  readonly path?: string;
  readonly version?: string;
  /** Overrides; undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export function handshake({ method = 'GET', path = '/', version = 'HTTP/1.1', headers = {} }: HandshakeParts = {}): string {
  const all: Record<string, string | undefined> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${method} ${path} ${version}\r\n${lines.join('\r\n')}\r\n\r\n`;
}

export class RawClient {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, data]);
      this.#wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      this.#wake?.();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake?.();
    });
  }

  /** A TCP connection with nothing said yet. */
  static async dial(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** A connection whose handshake has succeeded. */
  static async open(port: number, parts: HandshakeParts = {}): Promise<RawClient & { readonly head: string }> {
    const client = await RawClient.dial(port);
    client.send(handshake(parts));
    const head = await client.head();
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(`the upgrade was refused: ${head}`);
    return Object.assign(client, { head });
  }

  send(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** The head of an HTTP response. */
  async head(): Promise<string> {
    await this.#until(() => this.#bytes.includes('\r\n\r\n'));
    const end = this.#bytes.indexOf('\r\n\r\n');
    const head = this.#bytes.subarray(0, end).toString('latin1');
    this.#bytes = this.#bytes.subarray(end + 4);
    return head;
  }

  /** Everything until the end of the connection. */
  async rest(): Promise<string> {
    await this.#until(() => this.ended);
    return this.#bytes.toString('utf8');
  }

  /** The next frame, or undefined when the connection ended before one came. */
  async frame(): Promise<Received | undefined> {
    for (;;) {
      const parsed = parse(this.#bytes);
      if (parsed !== undefined) {
        this.#bytes = this.#bytes.subarray(parsed.length);
        return parsed.frame;
      }
      if (this.ended) return undefined;
      await this.#until(() => parse(this.#bytes) !== undefined || this.ended);
    }
  }

  /** The close code that comes after any number of other frames; 1006 when TCP ends without one. */
  async closeCode(): Promise<number> {
    for (;;) {
      const received = await this.frame();
      if (received === undefined) return 1006;
      if (received.opcode === 8) return received.payload.length < 2 ? 1005 : received.payload.readUInt16BE(0);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #until(claim: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (!claim()) {
      if (deadline.aborted) throw new Error('nothing came for a minute');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
}

function parse(bytes: Buffer): { readonly frame: Received; readonly length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  let at = 2;
  let length = second & 0x7f;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    at = 10;
  }
  if (bytes.length < at + length) return undefined;
  const received = {
    fin: (first & 0x80) !== 0,
    opcode: first & 0x0f,
    masked: (second & 0x80) !== 0,
    payload: bytes.subarray(at, at + length),
  };
  return { frame: received, length: at + length };
}

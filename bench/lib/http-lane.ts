/** One keep-alive HTTP connection for sequential requests, at almost no cost for the driver. Supports only answers with a content length. */
import { connect, type Socket } from 'node:net';

export class HttpLane {
  readonly #socket: Socket;
  readonly #host: string;
  #received = '';
  #answered: ((status: number, body: string) => void) | undefined;

  static async open(port: number): Promise<HttpLane> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new HttpLane(socket, port);
  }

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#host = `127.0.0.1:${port}`;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#received += text;
      this.#look();
    });
    socket.on('close', () => this.#answer(0, 'the connection was closed'));
  }

  /** Calls back with status 0 when the connection ends. */
  post(path: string, key: string, body: string, answered: (status: number, body: string) => void): void {
    const type = body === '' ? '' : 'Content-Type: application/json\r\n';
    this.#ask(`POST ${path}`, `x-api-key: ${key}\r\n${type}Content-Length: ${Buffer.byteLength(body)}\r\n`, body, answered);
  }

  /** As `post`. */
  get(path: string, answered: (status: number, body: string) => void): void {
    this.#ask(`GET ${path}`, '', '', answered);
  }

  #ask(what: string, headers: string, body: string, answered: (status: number, body: string) => void): void {
    this.#answered = answered;
    this.#socket.write(`${what} HTTP/1.1\r\nHost: ${this.#host}\r\n${headers}\r\n${body}`);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #look(): void {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#received.slice(0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const body = this.#received.slice(end + 4, end + 4 + length);
    this.#received = this.#received.slice(end + 4 + length);
    this.#answer(Number(head.slice(9, 12)), body);
  }

  #answer(status: number, body: string): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.(status, body);
  }
}

import { PATIENCE_MS } from '@polyedge/testkit/until';
import { type ClientOptions, WebSocket } from 'ws';

/** A WebSocket that remembers everything it was told. Text and bytes are both kept as text, as all real clients read them. */
export class Socket {
  readonly ws: WebSocket;
  readonly texts: string[] = [];
  /** Whether each of them came as a binary message. */
  readonly binary: boolean[] = [];
  readonly pings: number[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The status of a refused upgrade. */
  status: number | undefined;
  #taken = 0;
  #wake: () => void = () => {};

  constructor(url: string, options: ClientOptions = {}) {
    this.ws = new WebSocket(url, { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024, ...options });
    const woken = () => this.#wake();
    this.ws.on('open', woken);
    this.ws.on('message', (data: Buffer, isBinary) => {
      this.texts.push(String(data));
      this.binary.push(isBinary);
      woken();
    });
    this.ws.on('ping', () => {
      this.pings.push(performance.now());
      woken();
    });
    this.ws.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode ?? 0;
      this.ws.terminate();
      woken();
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      woken();
    });
    this.ws.on('error', () => {});
  }

  /** Waits until something holds; a minute is a failure that shows what was received. So is the end of the socket, if it is `needed`. */
  async until<T>(holds: () => T | undefined | false, needed = false): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = holds();
      if (value !== undefined && value !== false) return value;
      const left = deadline - Date.now();
      if (left <= 0 || (needed && this.closed !== undefined))
        throw new Error(`did not happen; received ${this.texts.slice(-20).join('\n')}, closed ${JSON.stringify(this.closed)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async open(): Promise<this> {
    await this.until(() => this.ws.readyState === WebSocket.OPEN, true);
    return this;
  }

  end(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.until(() => this.closed);
  }

  /** The next message that was not taken yet, as text. */
  async text(): Promise<string> {
    const text = await this.until(() => this.texts[this.#taken], true);
    this.#taken += 1;
    return text;
  }

  async next(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** Messages that came and were not taken. */
  get left(): readonly string[] {
    return this.texts.slice(this.#taken);
  }

  /** A text is sent as it is, anything else as an event of this type. */
  send(message: string | Buffer): void {
    this.ws.send(message);
  }

  event(type: string, data?: unknown): void {
    this.ws.send(JSON.stringify(data === undefined ? { type } : { type, data }));
  }

  [Symbol.dispose](): void {
    this.ws.terminate();
  }
}

import { PATIENCE_MS } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';

/** A client socket that remembers everything it was told. */
export class Client {
  readonly ws: WebSocket;
  readonly frames: unknown[] = [];
  readonly texts: string[] = [];
  pongs = 0;
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The status of a refused upgrade. */
  status: number | undefined;
  #wake: () => void = () => {};

  constructor(
    port: number,
    path: string,
    protocols: readonly string[],
    options: { readonly autoPong?: boolean; readonly headers?: Record<string, string> } = {},
  ) {
    this.ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, [...protocols], {
      perMessageDeflate: false,
      maxPayload: 64 * 1024 * 1024,
      ...options,
    });
    this.ws.on('open', () => {
      this.#wake();
    });
    this.ws.on('message', (data) => {
      const text = String(data);
      this.texts.push(text);
      this.frames.push(JSON.parse(text));
      this.#wake();
    });
    this.ws.on('pong', () => {
      this.pongs += 1;
      this.#wake();
    });
    this.ws.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode;
      this.ws.terminate();
      this.#wake();
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
    this.ws.on('error', () => {});
  }

  /** Waits until something holds; a minute is a failure that shows what was received. */
  async until<T>(holds: () => T | undefined | false): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = holds();
      if (value !== undefined && value !== false) return value;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`did not happen; received ${JSON.stringify(this.frames)}, closed ${JSON.stringify(this.closed)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  open(): Promise<boolean> {
    return this.until(() => this.ws.readyState === WebSocket.OPEN);
  }

  end(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.until(() => this.closed);
  }

  /** Waits until everything that was sent has arrived: a ping behind it is answered. */
  async arrived(): Promise<void> {
    const before = this.pongs;
    this.ws.ping();
    await this.until(() => this.pongs > before);
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The frames of one request, once the last of them has come. */
  answer(id: unknown): Promise<Record<string, unknown>[]> {
    return this.until(() => {
      const frames = this.frames.filter(
        (frame): frame is Record<string, unknown> => typeof frame === 'object' && frame !== null && 'id' in frame && frame.id === id,
      );
      const last = frames.at(-1);
      return last !== undefined && (last.error !== undefined || last.more === false) ? frames : undefined;
    });
  }

  [Symbol.dispose](): void {
    this.ws.terminate();
  }
}

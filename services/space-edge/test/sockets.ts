/** Clients of the events: a raw `ws` socket that sees every byte, and the usual library. */
import { until } from '@polyedge/testkit/until';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import WebSocket from 'ws';

export const wsUrl = (url: string): string => url.replace(/^http/, 'ws');

/** A WebSocket that keeps the text of every frame. */
export class RawSocket implements AsyncDisposable {
  readonly frames: string[] = [];
  readonly socket: WebSocket;
  closed = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => this.frames.push(String(data)));
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('error', () => {});
  }

  static async open(url: string): Promise<RawSocket> {
    const raw = new RawSocket(new WebSocket(`${wsUrl(url)}/events/?EIO=4&transport=websocket`));
    await until('a WebSocket', () => raw.frames.length > 0 || raw.closed);
    return raw;
  }

  /** Joined the namespace of the events. */
  static async joined(url: string): Promise<RawSocket> {
    const raw = await RawSocket.open(url);
    raw.send('40/pricings,');
    await raw.frame(1);
    return raw;
  }

  send(text: string): void {
    this.socket.send(text);
  }

  /** The frame with this number, counted from 0. */
  async frame(at: number): Promise<string> {
    await until(`frame ${at} after ${JSON.stringify(this.frames)}`, () => this.frames.length > at || this.closed);
    return this.frames[at] ?? '';
  }

  /** The pricing events so far. */
  get events(): string[] {
    return this.frames.filter((frame) => frame.startsWith('42'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
  }
}

export interface Listening extends AsyncDisposable {
  readonly socket: Socket;
  readonly events: unknown[];
}

/** A connected client of the usual library that keeps what it hears. */
export async function listen(url: string, options: Partial<ManagerOptions & SocketOptions> = {}): Promise<Listening> {
  const socket = io(`${wsUrl(url)}/pricings`, { path: '/events', transports: ['websocket'], forceNew: true, ...options });
  const events: unknown[] = [];
  socket.on('message', (event: unknown) => events.push(event));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return {
    socket,
    events,
    [Symbol.asyncDispose]: async () => {
      socket.disconnect();
    },
  };
}

/** An event as clients get it. */
export const event = (code: string, serviceName: string, pricingVersion?: string): unknown => ({
  code,
  details: { serviceName, ...(pricingVersion === undefined ? {} : { pricingVersion }) },
});

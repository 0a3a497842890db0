/** Clients that send and keep raw text: parsing JSON in JavaScript would round numbers, and cannot nest five thousand levels. */
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { Socket } from '../../services/jssocket-edge/test/socket.ts';

/** A socket of Socket.IO's packets as text, authenticated with a token of Saga. */
export class RawSaga implements Disposable {
  readonly #socket: Socket;
  #acks = 100;

  static async open(url: string, token: string): Promise<RawSaga> {
    const saga = new RawSaga(new Socket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`));
    const socket = saga.#socket;
    await socket.open();
    socket.ws.on('message', (data) => {
      if (String(data) === '2') socket.ws.send('3');
    });
    socket.ws.send('40');
    await socket.until(() => socket.texts.some((text) => text.startsWith('40')));
    await saga.send('authentication', JSON.stringify({ accessToken: token }));
    return saga;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** The JSON of the acknowledgement. */
  async send(event: string, payload: string): Promise<string> {
    this.#acks += 1;
    const head = `43${this.#acks}`;
    this.#socket.ws.send(`42${this.#acks}["${event}",${payload}]`);
    const text = await this.#socket.until(() => this.#socket.texts.find((one) => one.startsWith(`${head}[`)));
    return text.slice(head.length);
  }

  /** The first event that holds a text. */
  heard(part: string): Promise<string> {
    return this.#socket.until(() => this.#socket.texts.find((text) => text.startsWith('42[') && text.includes(part)));
  }

  [Symbol.dispose](): void {
    this.#socket.ws.terminate();
  }
}

/** A REST call with a body as text, and the answer as text. */
export async function rawCall(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return { status: response.status, text: await response.text() };
}

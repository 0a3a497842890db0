/** Raw sockets of graph-ws that send requests and match answers by id. */
import { RawSocket } from './raw-socket.ts';

const quote = '"'.charCodeAt(0);

/** One graph-ws socket. Ids of requests are numbers of nine digits in quotes, so an answer's id is found without parsing. */
export class GraphSocket {
  readonly #socket: RawSocket;
  readonly #waiting = new Map<number, (answer: string | undefined) => void>();
  /** Requests whose answer's text is needed. */
  readonly #wanted = new Set<number>();
  /** Answers without a pending request: duplicates. */
  unasked = 0;

  static async open(port: number, path: string, token: string | undefined): Promise<GraphSocket> {
    const protocols = token === undefined ? [] : ['graph-2.0.0', `token-${token}`];
    return new GraphSocket(await RawSocket.open(port, path, { protocols }));
  }

  private constructor(socket: RawSocket) {
    this.#socket = socket;
    socket.onMessage = (buffer, start, end) => this.#answer(buffer, start, end);
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  /** Requests without an answer yet. */
  get outstanding(): number {
    return this.#waiting.size;
  }

  /**
   * Sends a request whose JSON begins with its id (`{"id":"` and nine digits) and calls back when its answer arrives. The answer's text is
   * passed if it is an error or requested.
   */
  ask(id: number, json: string, answered: (error: string | undefined) => void): void {
    this.#waiting.set(id, answered);
    this.#socket.send(json);
  }

  /** As `ask`, for the answer's text. */
  text(id: number, json: string): Promise<string> {
    this.#wanted.add(id);
    return new Promise((resolve) => this.ask(id, json, (answer) => resolve(answer ?? '')));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #answer(buffer: Buffer, start: number, end: number): void {
    // {"id":"000000001","multi":false,… or {"id":"000000001","error":…
    let id = 0;
    for (let at = start + 7; at < start + 16; at += 1) id = id * 10 + (buffer[at] ?? 0) - 48;
    const answered = buffer[start + 16] === quote ? this.#waiting.get(id) : undefined;
    if (answered === undefined) {
      this.unasked += 1;
      return;
    }
    this.#waiting.delete(id);
    const isError = buffer.toString('latin1', start + 17, start + 25) === ',"error"';
    answered(isError || this.#wanted.delete(id) ? buffer.toString('utf8', start, end) : undefined);
  }
}

/** The beginning of a request's JSON. */
export const requestHead = (id: number): string => `{"id":"${String(id).padStart(9, '0')}"`;

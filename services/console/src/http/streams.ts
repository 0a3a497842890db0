/** Live streams of the page as server-sent events: limited in number, closed if their reader is slow or its session has ended. */
import type { Principal } from '@polyedge/contracts/principal';
import type { FastifyReply } from 'fastify';
import { sendFailure } from './answer.ts';

/** Maximum unsent bytes of one reader; browsers reconnect and start over. */
const MAX_BUFFERED_BYTES = 2 * 1024 * 1024;
/** A stream is written to at most once in this time; an event after a quiet time leaves at once. */
const GATHERED_MS = 100;

export interface StreamsOptions {
  readonly max: number;
  /** Whether a session has ended. */
  isOver(principal: Principal): boolean;
}

export interface Stream {
  /** @param event a text of `eventText` */
  send(event: string): void;
}

interface Open {
  readonly principal: Principal;
  end(): void;
}

export class Streams {
  readonly #options: StreamsOptions;
  readonly #open = new Set<Open>();
  #closed = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Starts a stream; `begin` returns a function that ends it. */
  begin(reply: FastifyReply, principal: Principal, begin: (stream: Stream) => () => void): FastifyReply {
    if (this.#closed) return sendFailure(reply, { code: 'unavailable', detail: 'the console is going away' });
    if (this.#open.size >= this.#options.max) return sendFailure(reply, { code: 'busy', detail: 'too many live pages' });
    const { raw } = reply;
    reply.hijack();
    // It has left while its session was checked: nothing would end the stream.
    if (raw.closed) return reply;
    raw.writeHead(200, {
      ...Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)])),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // A buffering proxy would show nothing.
      'x-accel-buffering': 'no',
    });
    raw.write('retry: 1000\n\n');
    let unsent = '';
    let gathering: NodeJS.Timeout | undefined;
    const write = (): void => {
      gathering = undefined;
      if (unsent === '' || raw.writableEnded) return;
      raw.write(unsent);
      unsent = '';
      gathering = setTimeout(write, GATHERED_MS);
    };
    const open: Open = {
      principal,
      end: () => {
        if (unsent !== '') raw.write(unsent);
        unsent = '';
        raw.end();
      },
    };
    this.#open.add(open);
    const stop = begin({
      send: (event) => {
        if (raw.writableEnded) return;
        unsent += event;
        if (gathering === undefined) write();
        if (raw.writableLength + unsent.length > MAX_BUFFERED_BYTES) raw.destroy();
      },
    });
    raw.once('close', () => {
      this.#open.delete(open);
      clearTimeout(gathering);
      stop();
    });
    return reply;
  }

  /** Closes the streams of ended sessions. */
  sweep(): void {
    for (const open of this.#open) if (this.#options.isOver(open.principal)) open.end();
  }

  /** Closes all streams; new ones are rejected with 503. */
  close(): void {
    this.#closed = true;
    for (const open of this.#open) open.end();
  }
}

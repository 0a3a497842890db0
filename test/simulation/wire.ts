/** Both ends of a socket in the simulated system. */
import type { FakePacket } from '@polyedge/edge-kit/testing/fake-wire';
import type { Wire, WireHandler } from '@polyedge/edge-kit/transport/wire';
import type { Process } from './process.ts';
import type { Surroundings } from './surroundings.ts';

/** Callbacks of the client. */
export interface WireClient {
  frame(text: string): void;
  closed(code: number): void;
}

/** What a client learns when its socket opens: the session that it can resume later, and whether it has resumed one. */
export interface Opened {
  readonly pid?: string;
  readonly recovered?: boolean;
}

const PING = 'ping:';

export class SimulatedWire implements Wire<FakePacket> {
  readonly #world: Surroundings;
  readonly #process: Process;
  readonly #client: WireClient;
  readonly #unread: FakePacket[] = [];
  /** Messages from the client, kept while the edge does not read. */
  readonly #held: string[] = [];
  #handler: WireHandler<string> | undefined;
  #isPaused = false;
  #isReading = true;
  #isOver = false;
  /** The client has gone, and the edge does not know. */
  #isHalfOpen = false;
  #toClientAt = 0;
  #toEdgeAt = 0;
  bufferedBytes = 0;
  sentBytes = 0;

  constructor(world: Surroundings, process: Process, client: WireClient) {
    this.#world = world;
    this.#process = process;
    this.#client = client;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The edge has opened its end. */
  opened(handler: WireHandler<string>): void {
    this.#handler = handler;
  }

  // ---- the edge's end

  write(packets: readonly FakePacket[]): void {
    if (this.#isOver) return;
    for (const packet of packets) {
      if (this.#isReading) this.#pass(packet);
      else {
        this.#unread.push(packet);
        this.bufferedBytes += packet.bytes;
      }
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const text of this.#held.splice(0)) this.#toEdge(text);
  }

  drop(): void {
    this.close(1006);
  }

  close(code: number): void {
    if (this.#isOver) return;
    // What was written before the close still arrives.
    this.#later('client', () => this.#end(code));
  }

  // ---- the client's end

  send(frame: object): void {
    if (!this.#isOver) this.#toEdge(JSON.stringify(frame));
  }

  /** Resumes or stops reading. */
  read(isReading: boolean): void {
    this.#isReading = isReading;
    if (!isReading || this.#isOver) return;
    for (const packet of this.#unread.splice(0)) this.#pass(packet);
    this.bufferedBytes = 0;
    this.#process.run(() => this.#handler?.drained());
  }

  /** The client goes. `quietly`: the edge is not told. */
  leave(quietly: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isHalfOpen = quietly;
    if (!quietly) this.#process.after(1 + this.#world.chance.below(20), () => this.#handler?.gone(1006));
  }

  /** The edge notices that the client has gone, as by missing pongs. */
  noticed(): void {
    if (!this.#isHalfOpen) return;
    this.#isHalfOpen = false;
    this.#process.run(() => this.#handler?.gone(1006));
  }

  /** The edge's process, and with it the socket, is gone. */
  lost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#world.time.after(1 + this.#world.chance.below(100), () => this.#client.closed(1006));
  }

  #end(code: number): void {
    this.#isOver = true;
    this.#process.run(() => this.#handler?.gone(code));
    this.#client.closed(code);
  }

  #pass(packet: FakePacket): void {
    this.sentBytes += packet.bytes;
    this.#later('client', () => {
      if (packet.text.startsWith(PING)) this.#later('edge', () => this.#handler?.pong(packet.text.slice(PING.length)));
      else this.#client.frame(packet.text);
    });
  }

  #toEdge(text: string): void {
    this.#later('edge', () => {
      if (this.#isPaused) this.#held.push(text);
      else this.#handler?.message(text, text.length);
    });
  }

  /** Delivers to one end, after everything sent there before. */
  #later(end: 'client' | 'edge', arrive: () => void): void {
    const { time, chance } = this.#world;
    const at = Math.max(end === 'client' ? this.#toClientAt : this.#toEdgeAt, time.now + 0.3 + chance.next() * 3);
    if (end === 'client') this.#toClientAt = at;
    else this.#toEdgeAt = at;
    const unlessOver = (): void => {
      if (!this.#isOver) arrive();
    };
    if (end === 'client') time.after(at - time.now, unlessOver);
    else this.#process.after(at - time.now, unlessOver);
  }
}

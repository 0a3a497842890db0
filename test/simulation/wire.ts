/** A socket of the simulated system, from both ends. */
import type { FakePacket } from '@polyedge/edge-kit/testing/fake-wire';
import type { Wire, WireHandler } from '@polyedge/edge-kit/transport/wire';
import type { Process } from './process.ts';
import type { Surroundings } from './surroundings.ts';

/** What a client is told of its socket. */
export interface WireClient {
  frame(text: string): void;
  closed(code: number): void;
}

/** What a client is told when its socket opens: of a session that it can go on with later, and whether it goes on with one. */
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
  /** Messages of the client while the edge does not read. */
  readonly #held: string[] = [];
  #handler: WireHandler<string> | undefined;
  #isPaused = false;
  #isReading = true;
  #isOver = false;
  /** The client has gone, and nobody has told the edge. */
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
    // What was written before still arrives.
    this.#later('client', () => this.#end(code));
  }

  // ---- the client's end

  send(frame: object): void {
    if (!this.#isOver) this.#toEdge(JSON.stringify(frame));
  }

  /** Goes on, or stops, to read. */
  read(isReading: boolean): void {
    this.#isReading = isReading;
    if (!isReading || this.#isOver) return;
    for (const packet of this.#unread.splice(0)) this.#pass(packet);
    this.bufferedBytes = 0;
    this.#process.run(() => this.#handler?.drained());
  }

  /** The client is gone. `quietly`: nobody tells the edge. */
  leave(quietly: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isHalfOpen = quietly;
    if (!quietly) this.#process.after(1 + this.#world.chance.below(20), () => this.#handler?.gone(1006));
  }

  /** The edge finds out that the client has gone, as it does by pings. */
  noticed(): void {
    if (!this.#isHalfOpen) return;
    this.#isHalfOpen = false;
    this.#process.run(() => this.#handler?.gone(1006));
  }

  /** The edge's process is gone, and with it the socket. */
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

  /** Arrives at one end, behind what was sent there before. */
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

/**
 * Bounds of what the Socket.IO library does for a client by itself, before any message reaches a session, whose limits count only messages:
 * it answers pings and requests for unknown namespaces, whether or not the client reads the answers, and it takes a poll with any number of
 * packets apart at once. A client beyond a bound loses its connection. (`ws` itself bounds the pongs that wait, and an upgrade ends after
 * ten seconds.)
 */
import type { Socket } from 'socket.io';
import { Budget } from '../limits.ts';

/** Packets of one HTTP poll, more than sessions take: taking a million apart would stop all clients for seconds. */
const MAX_PACKETS_OF_A_POLL = 25_000;
/** Packets of one client per second that are no messages, twice as many at once. Clients send one in some seconds. */
const CONTROLS_PER_SECOND = 100;
/** Packets that may wait in the library when a client sends another control packet: one that does not read sends no more of them. */
const MAX_QUEUED = 30_000;

/** Counts the control packets of one client. */
export class ControlBudget {
  readonly #budget = new Budget(CONTROLS_PER_SECOND, performance.now());

  /** @returns whether the client may send this one */
  take(): boolean {
    return this.#budget.take(1, performance.now()) === 0;
  }
}

/** By connection, from its first control packet on. */
const budgets = new WeakMap<object, ControlBudget>();

function mayControl(client: object): boolean {
  let budget = budgets.get(client);
  if (budget === undefined) {
    budget = new ControlBudget();
    budgets.set(client, budget);
  }
  return budget.take();
}

/** The private part of the library's connection that is needed (engine.io 6.6, lib/socket.ts and lib/transport.ts). */
interface EngineQueue {
  readonly writeBuffer: readonly unknown[];
}

/** A packet of Engine.IO. */
interface EnginePacket {
  readonly type: string;
  readonly data?: unknown;
}

/** A parser of polls. In version 3 of the protocol it calls back for each packet, until that returns false; in version 4 it returns them. */
interface PollParser {
  decodePacket(packet: string | Buffer): EnginePacket;
  decodePayload(payload: string | Buffer, each?: (packet: EnginePacket) => unknown): unknown;
}

/** Bounds the polls and control packets of a connection. */
export function boundConnection(connection: Socket['conn']): void {
  connection.on('packet', onPacket);
  if (connection.transport.name !== 'polling') return;
  const transport = connection.transport as unknown as { parser: PollParser };
  transport.parser = boundedParser(transport.parser);
}

function onPacket(this: Socket['conn'], { type }: EnginePacket): void {
  const { writeBuffer } = this as unknown as EngineQueue;
  if (type !== 'message' && (!mayControl(this) || writeBuffer.length > MAX_QUEUED)) this.close(true);
}

const UNREADABLE: EnginePacket = { type: 'error', data: 'parser error' };
const parsers = new Map<PollParser, PollParser>();

/** The same parser, except that a poll becomes unreadable after the last packet that it may have. One for all connections of a version. */
function boundedParser(parser: PollParser): PollParser {
  const known = parsers.get(parser);
  if (known !== undefined) return known;
  const bounded: PollParser = {
    ...parser,
    decodePayload: (payload, each) => {
      if (typeof payload !== 'string') return each === undefined ? [UNREADABLE] : decodeBytes(payload, parser, each);
      const end = endOfBound(payload, each === undefined ? endOfPacket : endOfLengthed);
      if (end === undefined) return parser.decodePayload(payload, each);
      const packets = parser.decodePayload(payload.slice(0, end), each);
      return Array.isArray(packets) ? [...packets, UNREADABLE] : each?.(UNREADABLE);
    },
  };
  parsers.set(parser, bounded);
  return bounded;
}

/**
 * The end of the last packet that a poll may have; undefined if it has no more than that.
 * @param endOf the end of the packet at a place; NaN if the rest has none
 */
function endOfBound(payload: string, endOf: (payload: string, at: number) => number): number | undefined {
  let at = 0;
  for (let count = 0; count < MAX_PACKETS_OF_A_POLL; count += 1) {
    at = endOf(payload, at);
    if (!(at < payload.length)) return undefined;
  }
  return at;
}

/** Version 4: packets end with a separator. */
function endOfPacket(payload: string, at: number): number {
  const end = payload.indexOf('\x1e', at);
  return end === -1 ? Number.NaN : end + 1;
}

/** Version 3: the length and a colon precede a packet. */
function endOfLengthed(payload: string, at: number): number {
  const colon = payload.indexOf(':', at);
  return colon === -1 || colon - at > MAX_DIGITS ? Number.NaN : colon + 1 + Number(payload.slice(at, colon));
}

const MAX_DIGITS = 16;
const END_OF_LENGTH = 0xff;

/**
 * Polls of version 3 with binary packets: each has its kind (0 is text), the digits of its length as bytes, 255 and its content. The
 * library's own decoder takes a character at a time, seconds for a poll, and ten million packets from ten megabytes.
 */
function decodeBytes(payload: Buffer, parser: PollParser, each: (packet: EnginePacket) => unknown): void {
  const packets: (string | Buffer)[] = [];
  for (let at = 0; at < payload.length && packets.length < MAX_PACKETS_OF_A_POLL; ) {
    const head = payload.indexOf(END_OF_LENGTH, at);
    const digits = head - at > MAX_DIGITS ? '' : payload.subarray(at + 1, Math.max(at, head)).join('');
    const [from, to] = [head + 1, head + 1 + Number(digits)];
    if (!/^\d+$/.test(digits) || to > payload.length) return void each(UNREADABLE);
    packets.push(payload[at] === 0 ? payload.toString('utf8', from, to) : payload.subarray(from, to));
    at = to;
  }
  for (const packet of packets) if (each(parser.decodePacket(packet)) === false) return;
  if (packets.length === MAX_PACKETS_OF_A_POLL) each(UNREADABLE);
}

/**
 * What a socket is to the driver. WebSocket and Socket.IO listeners bring one each; tests use a fake. The driver never sees a library's
 * socket, and a wire never sees a protocol's frame.
 */

/** Bytes ready to be written, made once for any number of sockets of one listener. */
export interface Packet {
  readonly bytes: number;
}

/** How a listener turns what a protocol encoded into packets. */
export interface Framing<Raw, P extends Packet> {
  pack(raw: Raw): P;
  /** Several for the same socket, one behind the other, in few packets. Default: each is packed by itself. */
  packAll?(raws: readonly Raw[]): readonly P[];
  /** A ping whose pong comes back as `pong(payload)`; undefined where the transport has none. */
  ping(payload: string): P | undefined;
}

/** A connected socket. Every call after the end is harmless and does nothing. */
export interface Wire<P extends Packet> {
  /** Sends packets in this order, in one write where the transport can. */
  write(packets: readonly P[]): void;
  /** Bytes that were written and have not reached the operating system. */
  readonly bufferedBytes: number;
  /** Bytes that have reached the operating system since the beginning: grows as long as the client reads. */
  readonly sentBytes: number;
  /** Bytes that have arrived since the beginning, parts of messages included; undefined where the transport does not tell. */
  readonly receivedBytes?: number;
  /** Stops and goes on reading. Messages that had arrived may still be handed over after `pause`. */
  pause(): void;
  resume(): void;
  /** Ends without a close frame, after what was written has left or a short deadline. */
  drop(): void;
  /** Starts the closing handshake. Any code and reason: what RFC 6455 forbids to send is replaced by what says the same. */
  close(code: number, reason: string): void;
}

/** What a wire tells the driver. Calls come one at a time and never from within a call to the wire. */
export interface WireHandler<Raw> {
  /** @param bytes size on the wire, for the budgets */
  message(raw: Raw, bytes: number): void;
  /** A message the transport could read but the edge does not take (binary on a text protocol). */
  unreadable(problem: string, bytes: number): void;
  /**
   * Bytes as they came, at the beginning of a frame: true when they were whole frames that are done with. For what comes so often that reading
   * it as messages would be most of the work; a wire may never ask.
   */
  raw?(chunk: Uint8Array): boolean;
  ping(): void;
  pong(payload: string): void;
  /** Written bytes have left: `bufferedBytes` is 0 or nearly so. */
  drained(): void;
  /** The client has sent a close frame, or broken the transport's rules: what is written now still leaves before the close frame. */
  closing(): void;
  /** What the conversation can be gone on with from another connection; may be asked when the socket has ended. */
  parting?(): unknown;
  /** The socket has ended, for whatever reason; nothing follows. */
  gone(code: number): void;
}

/** Whether RFC 6455 7.4 allows an endpoint to send this close code. */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
}

/** A close reason cut to the 123 bytes that fit, between characters. */
export function closeReason(text: string): string {
  if (Buffer.byteLength(text) <= 123) return text;
  let bytes = 0;
  let cut = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > 123) break;
    cut += character;
  }
  return cut;
}

/**
 * A socket, as the driver sees it. The WebSocket and Socket.IO listeners implement it; tests use a fake. The driver never sees a library's
 * socket, and a wire never sees a protocol's frame.
 */

/** Bytes ready to be written, encoded once for any number of sockets of one listener. */
export interface Packet {
  readonly bytes: number;
}

/** How a listener packs what a protocol encoded. */
export interface Framing<Raw, P extends Packet> {
  pack(raw: Raw): P;
  /** Packs several frames for the same socket into few packets. Default: each is packed by itself. */
  packAll?(raws: readonly Raw[]): readonly P[];
  /** A ping whose pong is reported as `pong(payload)`; undefined if the transport has none. */
  ping(payload: string): P | undefined;
}

/** A connected socket. Calls after its end have no effect. */
export interface Wire<P extends Packet> {
  /** Sends packets in this order, in one write if the transport can. */
  write(packets: readonly P[]): void;
  /** Written bytes that have not reached the operating system. */
  readonly bufferedBytes: number;
  /** All bytes that have reached the operating system: grows as long as the client reads. */
  readonly sentBytes: number;
  /** All bytes received, including incomplete messages; undefined if the transport does not know. */
  readonly receivedBytes?: number;
  /** Stop and resume reading. Messages that had arrived may still be delivered after `pause`. */
  pause(): void;
  resume(): void;
  /** Closes without a close frame, after the written bytes were sent or a short time-out. */
  drop(): void;
  /** Starts the closing handshake. Any code and reason: codes that RFC 6455 forbids to send are replaced by equivalent ones. */
  close(code: number, reason: string): void;
}

/** Receives the events of a wire. Calls are sequential and never made within a call to the wire. */
export interface WireHandler<Raw> {
  /** @param bytes size on the wire, for the budgets */
  message(raw: Raw, bytes: number): void;
  /** A message that the transport could read but the edge does not accept (binary on a text protocol). */
  unreadable(problem: string, bytes: number): void;
  /**
   * Raw bytes at the beginning of a frame. Returns true if they were whole frames that are now handled. For messages so frequent that
   * parsing them would dominate; calling it is optional for a wire.
   */
  raw?(chunk: Uint8Array): boolean;
  ping(): void;
  pong(payload: string): void;
  /** Written bytes were sent: `bufferedBytes` is 0 or nearly so. */
  drained(): void;
  /** The client has sent a close frame or violated the transport's rules: what is written now is still sent before the close frame. */
  closing(): void;
  /** The state to resume from on another connection; may be called after the socket has ended. */
  parting?(): unknown;
  /** The socket has ended, for any reason; nothing follows. */
  gone(code: number): void;
}

/** Whether RFC 6455 7.4 allows an endpoint to send this close code. */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
}

/** A close reason, cut at a character boundary to the 123 bytes that fit. */
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

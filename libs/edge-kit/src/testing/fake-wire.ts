/** A wire without a socket: records what was sent, and accepts only as much as the test allows. */
import type { Framing, Packet, Wire } from '../transport/wire.ts';

export interface FakePacket extends Packet {
  readonly text: string;
}

/** Frames are texts; a ping is the text `ping:<payload>`. */
export const fakeFraming: Framing<string, FakePacket> = {
  pack: (text) => ({ text, bytes: Buffer.byteLength(text) }),
  ping: (payload) => ({ text: `ping:${payload}`, bytes: payload.length }),
};

export class FakeWire implements Wire<FakePacket> {
  /** Everything sent, in order. */
  readonly sent: string[] = [];
  /** Number of writes. */
  writes = 0;
  /** Reading is stopped. */
  paused = false;
  /** `close 1000 reason` or `drop`, once ended. */
  ended: string | undefined = undefined;
  /** While true, what is written stays buffered. */
  stuck = false;
  bufferedBytes = 0;
  sentBytes = 0;

  write(packets: readonly FakePacket[]): void {
    if (this.ended !== undefined) return;
    this.writes += 1;
    for (const { text, bytes } of packets) {
      this.sent.push(text);
      if (this.stuck) this.bufferedBytes += bytes;
      else this.sentBytes += bytes;
    }
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  drop(): void {
    this.ended ??= 'drop';
  }

  close(code: number, reason: string): void {
    this.ended ??= `close ${code} ${reason}`;
  }
}

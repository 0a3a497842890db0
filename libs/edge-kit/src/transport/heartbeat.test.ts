import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed } from '@polyedge/contracts/errors';
import { defaultLimits } from '../limits.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { Wheel } from '../wheel.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Wire, WireHandler } from './wire.ts';
import { type WsPacket, wsFraming } from './ws-frames.ts';
import type { WsDriver } from './ws-listener.ts';

const framing = wsFraming();

/** A socket that keeps what it was sent. */
class Socket implements Wire<WsPacket> {
  readonly sent: string[] = [];
  bufferedBytes = 0;
  sentBytes = 0;
  receivedBytes = 0;
  ended: number | undefined = undefined;

  write(packets: readonly WsPacket[]): void {
    for (const { buffers } of packets) this.sent.push(Buffer.concat(buffers).toString('hex'));
  }

  pause(): void {}
  resume(): void {}
  drop(): void {}

  close(code: number): void {
    this.ended ??= code;
  }
}

interface Opened {
  readonly socket: Socket;
  /** What the listener talks to. */
  readonly handler: WireHandler<string | Uint8Array>;
  /** What the driver writes to, and what it was told. */
  readonly wire: Wire<WsPacket>;
  readonly told: readonly (string | Uint8Array)[];
}

function start(always = false) {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat({
    beat: framing.pack('`'),
    periodMs: 300,
    idleMs: 3000,
    idleClose: { code: 4408, reason: 'keep-alive timeout' },
    always,
    isKeepAlive: (raw) => raw.length === 1,
    keepAlivesPerSecond: 30,
    clock,
  });
  let last: { readonly wire: Wire<WsPacket>; readonly told: (string | Uint8Array)[] } | undefined;
  const driver: WsDriver = {
    limits: defaultLimits,
    wheel: new Wheel(clock),
    verify: () => failed('unauthenticated'),
    open: (wire) => {
      const told: (string | Uint8Array)[] = [];
      last = { wire, told };
      const nothing = (): void => {};
      const message = (raw: string | Uint8Array): void => void told.push(raw);
      return { message, unreadable: nothing, ping: nothing, pong: nothing, drained: nothing, closing: nothing, gone: nothing };
    },
  };
  const around = heartbeat.around(driver);
  const open = (): Opened => {
    const socket = new Socket();
    const opening = { credential: undefined, path: '/', query: {}, address: '' };
    const handler = around.open(socket, opening) as WireHandler<string | Uint8Array>; // as `start`'s driver gave it
    if (last === undefined) throw new Error('the driver was not asked');
    return { socket, handler, ...last };
  };
  return { clock, heartbeat, open };
}

test('every connection gets one beat a period, and they are spread over it', () => {
  const { clock, open } = start();
  const all = Array.from({ length: 30 }, open);
  clock.advance(20);
  const soon = all.filter(({ socket }) => socket.sent.length > 0).length;
  assert.ok(soon <= 3, `${soon} at once`);
  clock.advance(2680);
  for (const { socket } of all) assert.deepEqual([new Set(socket.sent), socket.sent.length], [new Set(['810160']), 9]);
});

test('who is silent is closed after the idle time, at most a period later, and who speaks is not', () => {
  const { clock, heartbeat, open } = start();
  const silent = open();
  const beating = open();
  const slow = open();
  for (let at = 0; at < 2900; at += 100) {
    clock.advance(100);
    beating.handler.message('`', 7);
    // Parts of a long message, which is never complete.
    slow.socket.receivedBytes += 1;
  }
  assert.equal(silent.socket.ended, undefined);
  clock.advance(400);
  assert.deepEqual([silent.socket.ended, beating.socket.ended, slow.socket.ended], [4408, undefined, undefined]);
  assert.deepEqual([beating.told, heartbeat.size, heartbeat.counts.idleCloses], [[], 2, 1]);
});

test('a pause of the process is not held against its clients', () => {
  const { clock, heartbeat, open } = start();
  const { socket } = open();
  clock.advance(2000);
  clock.freeze(3500);
  clock.advance(500);
  assert.deepEqual([socket.ended, heartbeat.counts.stalls], [undefined, 1]);
  clock.advance(1000);
  assert.equal(socket.ended, 4408);
});

test('who was just sent something, or has not read, gets no beat unless all do', () => {
  for (const always of [false, true]) {
    const { clock, open } = start(always);
    const busy = open();
    const stuck = open();
    stuck.socket.bufferedBytes = 1;
    for (let at = 0; at < 1500; at += 100) {
      clock.advance(100);
      busy.wire.write([framing.pack('event')]);
    }
    const beats = ({ socket }: Opened): number => socket.sent.filter((frame) => frame === '810160').length;
    assert.deepEqual([beats(busy) > 1, beats(stuck) > 1], [always, always]);
  }
});

test('a flood of keep-alives is handed on, so that the limits of messages bound it', () => {
  const { open } = start();
  const { handler, told } = open();
  for (let at = 0; at < 1000; at += 1) handler.message('`', 7);
  // A second's worth, and as much again for a burst.
  assert.equal(told.length, 940);
});

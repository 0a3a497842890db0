import { byteByByte, type Case, close, ENDED, GOODBYE, more, ping, pong, text } from './case.ts';

/** RFC 6455 5.5.2 and 5.5.3. */
export const control: readonly Case[] = [
  ...['', 'Hello', '\u0000\u00ff', 'x'.repeat(125)].map(
    (payload): Case => ({
      title: `5.5.2 a ping of ${Buffer.byteLength(payload)} bytes is answered with the same`,
      send: [ping(payload.slice(0, 125)), GOODBYE],
      expect: [{ pong: payload }, ENDED],
    }),
  ),
  {
    title: '5.5.2 a ping of bytes that are no text',
    send: [ping(Buffer.from([0, 255, 254, 253, 0])), GOODBYE],
    expect: [{ pong: '\u0000\u00ff\u00fe\u00fd\u0000' }, ENDED],
  },
  { title: '5.5.2 a ping, a byte at a time', send: [...byteByByte(ping('slow')), GOODBYE], expect: [{ pong: 'slow' }, ENDED] },
  { title: '5.5 a ping of 126 bytes', send: [ping('x'.repeat(126))], expect: [{ close: 1002 }] },
  { title: '5.5 a pong of 126 bytes', send: [pong('x'.repeat(126))], expect: [{ close: 1002 }] },
  {
    title: '5.5 a close of 126 bytes',
    send: [close(Buffer.concat([Buffer.from([3, 232]), Buffer.alloc(124, 120)]))],
    expect: [{ close: 1002 }],
  },
  { title: '5.5 a ping in fragments', send: [ping('x', { fin: false })], expect: [{ close: 1002 }] },
  { title: '5.5 a pong in fragments', send: [pong('x', { fin: false })], expect: [{ close: 1002 }] },
  { title: '5.5 a close in fragments', send: [close(Buffer.from([3, 232]), { fin: false })], expect: [{ close: 1002 }] },
  { title: '5.1 a ping that is not masked', send: [ping('x', { masked: false })], expect: [{ close: 1002 }] },
  { title: '5.5.3 a pong nobody asked for', send: [pong('unasked'), text('on'), GOODBYE], expect: [{ text: 'on' }, ENDED] },
  {
    title: '5.5.2 ten pings are answered in order',
    send: [...Array.from({ length: 10 }, (_, at) => ping(`${at}`)), GOODBYE],
    expect: [...Array.from({ length: 10 }, (_, at) => ({ pong: `${at}` })), ENDED],
  },
  {
    title: '5.4 pings between the fragments of a message',
    send: [text('a', { fin: false }), ping('1'), more('b', { fin: false }), ping('2'), more('c'), GOODBYE],
    expect: [{ pong: '1' }, { pong: '2' }, { text: 'abc' }, ENDED],
  },
];

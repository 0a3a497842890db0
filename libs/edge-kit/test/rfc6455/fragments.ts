import { binary, byteByByte, type Case, close, ENDED, GOODBYE, more, ping, text } from './case.ts';

const pieces = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, at) => (at === 0 ? text('0', { fin: false }) : more(`${at % 10}`, { fin: at === count - 1 })));

/** RFC 6455 5.4. */
export const fragments: readonly Case[] = [
  { title: '5.4 a text in two', send: [text('He', { fin: false }), more('llo'), GOODBYE], expect: [{ text: 'Hello' }, ENDED] },
  {
    title: '5.4 bytes in two',
    send: [binary('He', { fin: false }), more('llo'), GOODBYE],
    expect: [{ bytes: Buffer.from('Hello') }, ENDED],
  },
  {
    title: '5.4 empty fragments',
    send: [text('', { fin: false }), more('', { fin: false }), more(''), GOODBYE],
    expect: [{ text: '' }, ENDED],
  },
  {
    title: '5.4 content only in the middle',
    send: [text('', { fin: false }), more('mid', { fin: false }), more(''), GOODBYE],
    expect: [{ text: 'mid' }, ENDED],
  },
  { title: '5.4 a hundred fragments', send: [Buffer.concat(pieces(100)), GOODBYE], expect: [{ text: '0123456789'.repeat(10) }, ENDED] },
  {
    title: '5.4 three fragments, a byte at a time',
    send: [...byteByByte(Buffer.concat(pieces(3))), GOODBYE],
    expect: [{ text: '012' }, ENDED],
  },
  {
    title: '5.4 one message after another, both in fragments',
    send: [...pieces(2), ...pieces(3), GOODBYE],
    expect: [{ text: '01' }, { text: '012' }, ENDED],
  },
  { title: '5.4 a continuation of nothing', send: [more('x')], expect: [{ close: 1002 }] },
  { title: '5.4 a continuation of nothing that goes on', send: [more('x', { fin: false })], expect: [{ close: 1002 }] },
  { title: '5.4 a continuation after the end', send: [...pieces(2), more('x')], expect: [{ text: '01' }, { close: 1002 }] },
  { title: '5.4 a new text inside a message', send: [text('a', { fin: false }), text('b')], expect: [{ close: 1002 }] },
  { title: '5.4 new bytes inside a message', send: [text('a', { fin: false }), binary('b')], expect: [{ close: 1002 }] },
  {
    title: '5.4 a new message in fragments inside a message',
    send: [binary('a', { fin: false }), text('b', { fin: false })],
    expect: [{ close: 1002 }],
  },
  { title: '5.4 a close inside a message ends it', send: [text('a', { fin: false }), close(Buffer.from([3, 232]))], expect: [ENDED] },
  {
    title: '5.4 a ping inside, then a wrong start',
    send: [text('a', { fin: false }), ping('p'), text('b')],
    expect: [{ pong: 'p' }, { close: 1002 }],
  },
];

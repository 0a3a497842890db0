import { frame } from '../raw-client.ts';
import { binary, type Case, close, more, ping, pong, text } from './case.ts';

/** RFC 6455 5.2: reserved bits, of which none has been negotiated, and opcodes that mean nothing. */
export const reserved: readonly Case[] = [
  ...[1, 2, 3, 4, 5, 6, 7].flatMap((bits): Case[] => [
    { title: `5.2 a text with reserved bits ${bits}`, send: [text('x', { reserved: bits })], expect: [{ close: 1002 }] },
    { title: `5.2 binary with reserved bits ${bits}`, send: [binary('x', { reserved: bits })], expect: [{ close: 1002 }] },
    { title: `5.2 a ping with reserved bits ${bits}`, send: [ping('x', { reserved: bits })], expect: [{ close: 1002 }] },
    { title: `5.2 a pong with reserved bits ${bits}`, send: [pong('x', { reserved: bits })], expect: [{ close: 1002 }] },
    {
      title: `5.2 a close with reserved bits ${bits}`,
      send: [close(Buffer.from([3, 232]), { reserved: bits })],
      expect: [{ close: 1002 }],
    },
    {
      title: `5.2 a continuation with reserved bits ${bits}`,
      send: [text('x', { fin: false }), more('y', { reserved: bits })],
      expect: [{ close: 1002 }],
    },
  ]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode): Case[] => [
    { title: `5.2 opcode ${opcode}`, send: [frame({ opcode })], expect: [{ close: 1002 }] },
    { title: `5.2 opcode ${opcode} with a payload`, send: [frame({ opcode, payload: 'x' })], expect: [{ close: 1002 }] },
    {
      title: `5.2 opcode ${opcode} after a good message`,
      send: [text('good'), frame({ opcode, payload: 'x' })],
      expect: [{ text: 'good' }, { close: 1002 }],
    },
    { title: `5.2 opcode ${opcode} inside a message`, send: [text('a', { fin: false }), frame({ opcode })], expect: [{ close: 1002 }] },
  ]),
];

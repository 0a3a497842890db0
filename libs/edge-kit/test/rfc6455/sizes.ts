import { frame } from '../raw-client.ts';
import { binary, type Case, close, ENDED, GOODBYE, more, text } from './case.ts';

/** What the server of the corpus allows. */
export const MAX_BYTES = 200_000;
export const MAX_FRAGMENTS = 500;

const tiny = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, at) => (at === 0 ? text('x', { fin: false }) : more('x', { fin: at === count - 1 }))));

/** RFC 6455 10.4: limits of ours, and lengths that are lies. */
export const sizes: readonly Case[] = [
  {
    title: '10.4 a message of exactly the limit',
    send: [binary(Buffer.alloc(MAX_BYTES, 7)), GOODBYE],
    expect: [{ bytes: Buffer.alloc(MAX_BYTES, 7) }, ENDED],
  },
  { title: '10.4 a message over the limit', send: [binary(Buffer.alloc(MAX_BYTES + 1))], expect: [{ close: 1009 }] },
  {
    title: '10.4 a message over the limit is refused as soon as it is announced',
    send: [frame({ opcode: 1, claims: BigInt(MAX_BYTES + 1), lengthBits: 64 })],
    expect: [{ close: 1009 }],
  },
  {
    title: '10.4 fragments that pass the limit together',
    send: [binary(Buffer.alloc(MAX_BYTES), { fin: false }), more('x')],
    expect: [{ close: 1009 }],
  },
  { title: '5.2 a length of 2^53', send: [frame({ opcode: 2, claims: 2n ** 53n, lengthBits: 64 })], expect: [{ close: 1009 }] },
  {
    title: '5.2 a length with its highest bit set',
    send: [frame({ opcode: 2, claims: 2n ** 63n, lengthBits: 64 })],
    expect: [{ close: 1009 }],
  },
  {
    title: '5.2 the largest length there is',
    send: [frame({ opcode: 2, claims: 2n ** 64n - 1n, lengthBits: 64 })],
    expect: [{ close: 1009 }],
  },
  {
    title: '10.4 as many fragments as allowed',
    send: [tiny(MAX_FRAGMENTS), GOODBYE],
    expect: [{ text: 'x'.repeat(MAX_FRAGMENTS) }, ENDED],
  },
  { title: '10.4 one fragment too many', send: [tiny(MAX_FRAGMENTS + 1)], expect: [{ close: 1008 }] },
  {
    title: '10.4 empty fragments count too',
    send: [Buffer.concat([text('', { fin: false }), ...Array.from({ length: MAX_FRAGMENTS }, () => more('', { fin: false }))])],
    expect: [{ close: 1008 }],
  },
  { title: '5.5 a close that claims 2^16 bytes', send: [close('', { claims: 65_536n, lengthBits: 64 })], expect: [{ close: 1002 }] },
];

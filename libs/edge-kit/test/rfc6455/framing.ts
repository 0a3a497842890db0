import { binary, byteByByte, type Case, ENDED, GOODBYE, text } from './case.ts';

const LENGTHS = [0, 1, 125, 126, 127, 128, 65_535, 65_536, 131_072];

/** RFC 6455 5.2: lengths and masks, delivered whole, in pieces and together. */
export const framing: readonly Case[] = [
  ...LENGTHS.flatMap((length): Case[] => {
    const word = '*'.repeat(length);
    const bytes = Buffer.alloc(length, 0xfe);
    return [
      { title: `5.2 a text of ${length} bytes`, send: [text(word), GOODBYE], expect: [{ text: word }, ENDED] },
      { title: `5.2 ${length} bytes of binary`, send: [binary(bytes), GOODBYE], expect: [{ bytes }, ENDED] },
    ];
  }),
  ...[0, 1, 126, 300].map((length): Case => {
    const word = 'k'.repeat(length);
    return {
      title: `5.2 a text of ${length} bytes, a byte at a time`,
      send: [...byteByByte(text(word)), GOODBYE],
      expect: [{ text: word }, ENDED],
    };
  }),
  ...([16, 64] as const).map(
    (lengthBits): Case => ({
      title: `5.2 a short text with a ${lengthBits}-bit length, which a server need not refuse`,
      send: [text('short', { lengthBits }), GOODBYE],
      expect: [{ text: 'short' }, ENDED],
    }),
  ),
  {
    title: '5.2 several messages in one packet come back in order',
    send: [Buffer.concat([text('one'), binary('two'), text(''), text('four'), GOODBYE])],
    expect: [{ text: 'one' }, { bytes: Buffer.from('two') }, { text: '' }, { text: 'four' }, ENDED],
  },
  { title: '5.1 a text that is not masked', send: [text('bare', { masked: false })], expect: [{ close: 1002 }] },
  { title: '5.1 bytes that are not masked', send: [binary('bare', { masked: false })], expect: [{ close: 1002 }] },
  {
    title: '5.1 an unmasked frame after good ones',
    send: [text('good'), text('bare', { masked: false })],
    expect: [{ text: 'good' }, { close: 1002 }],
  },
];

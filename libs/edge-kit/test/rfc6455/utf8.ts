import { binary, byteByByte, type Case, close, ENDED, GOODBYE, more, text } from './case.ts';

const SAMPLE = 'κόσμε 😀 grüß \u0000\u{10FFFF}\u{FFFD}';
const bytes = Buffer.from(SAMPLE);

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** Sequences that are not UTF-8 (RFC 3629), by what is wrong with them. */
const INVALID: readonly (readonly [string, Buffer])[] = [
  ['a continuation byte alone', hex('80')],
  ['the last continuation byte alone', hex('bf')],
  ['two bytes cut after one', hex('c3')],
  ['three bytes cut after two', hex('e2 82')],
  ['four bytes cut after three', hex('f0 9f 98')],
  ['a start inside a character', hex('e2 28 a1')],
  ['an overlong slash in two bytes', hex('c0 af')],
  ['an overlong slash in three bytes', hex('e0 80 af')],
  ['an overlong slash in four bytes', hex('f0 80 80 af')],
  ['an overlong NUL', hex('c0 80')],
  ['the largest overlong of two bytes', hex('c1 bf')],
  ['the largest overlong of three bytes', hex('e0 9f bf')],
  ['the largest overlong of four bytes', hex('f0 8f bf bf')],
  ['the first surrogate', hex('ed a0 80')],
  ['the last surrogate', hex('ed bf bf')],
  ['a pair of surrogates', hex('ed a0 bd ed b8 80')],
  ['beyond U+10FFFF', hex('f4 90 80 80')],
  ['a five-byte sequence', hex('f8 88 80 80 80')],
  ['a six-byte sequence', hex('fc 84 80 80 80 80')],
  ['FE', hex('fe')],
  ['FF', hex('ff')],
];

const VALID: readonly (readonly [string, Buffer])[] = [
  ['U+007F', hex('7f')],
  ['U+0080', hex('c2 80')],
  ['U+07FF', hex('df bf')],
  ['U+0800', hex('e0 a0 80')],
  ['U+D7FF', hex('ed 9f bf')],
  ['U+E000', hex('ee 80 80')],
  ['U+FFFF', hex('ef bf bf')],
  ['U+10000', hex('f0 90 80 80')],
  ['U+10FFFF', hex('f4 8f bf bf')],
  ['a byte order mark', hex('ef bb bf 61')],
];

/** RFC 6455 5.6 and 8.1. */
export const utf8: readonly Case[] = [
  { title: '5.6 text of one to four bytes a character', send: [text(SAMPLE), GOODBYE], expect: [{ text: SAMPLE }, ENDED] },
  { title: '5.6 the same, a byte at a time', send: [...byteByByte(text(SAMPLE)), GOODBYE], expect: [{ text: SAMPLE }, ENDED] },
  ...Array.from(
    { length: bytes.length - 1 },
    (_, at): Case => ({
      title: `5.6 text in two fragments, split before byte ${at + 1}`,
      send: [text(bytes.subarray(0, at + 1), { fin: false }), more(bytes.subarray(at + 1)), GOODBYE],
      expect: [{ text: SAMPLE }, ENDED],
    }),
  ),
  ...VALID.map(
    ([what, sequence]): Case => ({
      title: `5.6 ${what} is text`,
      send: [text(sequence), GOODBYE],
      expect: [{ text: sequence.toString('utf8') }, ENDED],
    }),
  ),
  ...INVALID.flatMap(([what, sequence]): Case[] => [
    { title: `8.1 ${what}`, send: [text(sequence)], expect: [{ close: 1007 }] },
    { title: `8.1 ${what}, after text`, send: [text(Buffer.concat([bytes, sequence]))], expect: [{ close: 1007 }] },
    ...Array.from(
      { length: sequence.length - 1 },
      (_, at): Case => ({
        title: `8.1 ${what}, split before byte ${at + 1}`,
        send: [text(sequence.subarray(0, at + 1), { fin: false }), more(sequence.subarray(at + 1))],
        expect: [{ close: 1007 }],
      }),
    ),
    { title: `5.6 ${what} is fine as binary`, send: [binary(sequence), GOODBYE], expect: [{ bytes: sequence }, ENDED] },
    {
      title: `5.5.1 ${what} as a close reason`,
      send: [close(Buffer.concat([Buffer.from([3, 232]), sequence]))],
      expect: [{ close: 1007 }],
    },
  ]),
];

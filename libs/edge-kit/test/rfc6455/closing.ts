import { closePayload } from '../raw-client.ts';
import { byteByByte, type Case, close, text } from './case.ts';

const LEGAL = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const ILLEGAL = [0, 1, 200, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];

/** RFC 6455 5.5.1, 7.1.5 and 7.4. A server answers a close with the same code; without a code it answers without one (1005). */
export const closing: readonly Case[] = [
  { title: '5.5.1 a close without a code', send: [close()], expect: [{ close: 1005 }] },
  { title: '5.5.1 a close of one byte', send: [close('x')], expect: [{ close: 1002 }] },
  { title: '5.5.1 a close with the longest reason', send: [close(closePayload(1000, 'x'.repeat(123)))], expect: [{ close: 1000 }] },
  { title: '5.5.1 a close, a byte at a time', send: byteByByte(close(closePayload(1000, 'bye'))), expect: [{ close: 1000 }] },
  { title: '5.1 a close that is not masked', send: [close(closePayload(1000), { masked: false })], expect: [{ close: 1002 }] },
  {
    title: '5.5.1 data after a close is not answered',
    send: [Buffer.concat([close(closePayload(1000)), text('late')])],
    expect: [{ close: 1000 }, { close: 1006 }],
  },
  {
    title: '5.5.1 a second close is not answered',
    send: [Buffer.concat([close(closePayload(1000)), close(closePayload(1001))])],
    expect: [{ close: 1000 }, { close: 1006 }],
  },
  {
    title: '5.5.1 what came before a close is answered before it',
    send: [Buffer.concat([text('a'), text('b'), close(closePayload(1000))])],
    expect: [{ text: 'a' }, { text: 'b' }, { close: 1000 }],
  },
  ...LEGAL.map((code): Case => ({ title: `7.4 close code ${code}`, send: [close(closePayload(code, 'why'))], expect: [{ close: code }] })),
  ...ILLEGAL.map(
    (code): Case => ({
      title: `7.4 close code ${code}, which nobody may send`,
      send: [close(closePayload(code))],
      expect: [{ close: 1002 }],
    }),
  ),
];

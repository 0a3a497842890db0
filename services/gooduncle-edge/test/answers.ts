/** How the tests of requests read answers, and rows that only one of them has. */
import assert from 'node:assert/strict';
import type { Answer, Client } from './client.ts';

export const code = ({ response }: Answer): string => response.code;

/** Code, reasons and places in one line. */
export const says = (answer: Answer): string =>
  [code(answer), ...answer.response.errors.map(({ reason, field }) => `${reason}@${field}`)].join(' ');

let kinds = 0;
/** A value that no other test's rows have. */
export const newKind = (): string => {
  kinds += 1;
  return `kind${kinds}`;
};

/** Creates these products. Returns the kind that they have in common. */
export async function products(admin: Client, rows: readonly Readonly<Record<string, unknown>>[]): Promise<string> {
  const kind = newKind();
  for (const row of rows) assert.equal(code(await admin.one({ type: 'create', topic: 'products', params: { kind, ...row } })), 'ok');
  return kind;
}

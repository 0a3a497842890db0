/**
 * The one grammar of NATS subjects: `pe.<cmd|evt|sig>.<domain>.<name>.v<N>[.<value>…]`. Fixed words are lower-case kebab, values come
 * last and always pass through `token()`, so a client's id can never become a separator or a wildcard. No other code builds subjects.
 */
import { createHash } from 'node:crypto';

const SAFE = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_ENCODED_BYTES = 48;

/**
 * Any string as one subject token. Up to 64 safe characters stay as they are; other values up to 48 bytes of UTF-8 become `=` and
 * base64url (reversible); longer ones become `~` and the base64url SHA-256 (not reversible: the message body repeats the value).
 * Two different strings never share a token, except by a collision of SHA-256.
 */
export function token(value: string): string {
  if (SAFE.test(value)) return value;
  const bytes = Buffer.from(value, 'utf8');
  if (bytes.length <= MAX_ENCODED_BYTES) return `=${bytes.toString('base64url')}`;
  return `~${createHash('sha256').update(bytes).digest('base64url')}`;
}

/** The value of a token, or undefined if the token is a hash. */
export function untoken(text: string): string | undefined {
  if (text.startsWith('~')) return undefined;
  return text.startsWith('=') ? Buffer.from(text.slice(1), 'base64url').toString('utf8') : text;
}

/** The names in braces of an address: `'pe.cmd.graph.get.v1.{tenant}'` has `'tenant'`. */
export type ParametersOf<Address extends string> = Address extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersOf<Rest>
  : never;

/** A value for each name in braces. */
export type Parameters<Address extends string> = { readonly [Name in ParametersOf<Address>]: string };

const ADDRESS = /^pe\.(cmd|evt|sig)\.[a-z][a-z-]*\.[a-z][a-z-]*\.v[1-9][0-9]*(\.\{[a-z][A-Za-z]*\})*$/;

/** Throws for an address that breaks the grammar: a programming error, detected when the module loads. */
export function checkAddress(address: string): void {
  if (!ADDRESS.test(address)) throw new Error(`not an address of our subject grammar: ${address}`);
}

/** The subject of one message: every `{name}` of the address replaced by its value's token. */
export function subject<Address extends string>(address: Address, values: Parameters<Address>): string {
  const byName: Readonly<Record<string, string>> = values;
  return address.replace(/\{([A-Za-z]+)\}/g, (_, name: string) => {
    const value = byName[name];
    if (value === undefined) throw new Error(`no value for {${name}} in ${address}`);
    return token(value);
  });
}

/** The subject to subscribe to: values that are left out match everything. */
export function pattern<Address extends string>(address: Address, values: Partial<Parameters<Address>>): string {
  const byName: Readonly<Record<string, string | undefined>> = values;
  return address.replace(/\{([A-Za-z]+)\}/g, (_, name: string) => {
    const value = byName[name];
    return value === undefined ? '*' : token(value);
  });
}

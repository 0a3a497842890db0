/** Functions that scripts call synchronously: those that V8 lacks and Node provides. */
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';

const MAX_RANDOM = 65_536;
const DIGESTS = new Set(['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']);
const PARTS = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'] as const;

/** JSON in, JSON out; `null` for an invalid call. */
export function answerSynchronously(what: string, json: string): string {
  const args: unknown = JSON.parse(json);
  const [first, second, third]: unknown[] = Array.isArray(args) ? args : [];
  switch (what) {
    case 'uuid':
      return JSON.stringify(randomUUID());
    case 'random':
      return JSON.stringify(randomBytes(typeof first === 'number' && first >= 0 && first <= MAX_RANDOM ? first : 0).toString('hex'));
    case 'base64':
      return JSON.stringify(Buffer.from(typeof first === 'string' ? first : '', 'utf8').toString('base64'));
    case 'digest':
      return JSON.stringify(digest(first, second, third));
    case 'url':
      return JSON.stringify(typeof first === 'string' ? partsOf(first, typeof second === 'string' ? second : undefined) : null);
    case 'url-with':
      return JSON.stringify(withPart(first, second, third));
    case 'query':
      return JSON.stringify([...new URLSearchParams(typeof first === 'string' ? first : '')]);
    case 'unquery':
      return JSON.stringify(new URLSearchParams(pairsOf(first)).toString());
    default:
      return 'null';
  }
}

function digest(algorithm: unknown, hex: unknown, key: unknown): { readonly hex: string } | { readonly problem: string } {
  const name = typeof algorithm === 'string' ? algorithm.toLowerCase() : '';
  if (!DIGESTS.has(name) || typeof hex !== 'string') return { problem: 'unknown digest' };
  const hash = typeof key === 'string' ? createHmac(name, Buffer.from(key, 'hex')) : createHash(name);
  return { hex: hash.update(Buffer.from(hex, 'hex')).digest('hex') };
}

function partsOf(text: string, base?: string): Readonly<Record<string, string>> | null {
  if (text.length > 8192 || !URL.canParse(text, base)) return null;
  const url = new URL(text, base);
  return { origin: url.origin, ...Object.fromEntries(PARTS.map((part) => [part, url[part]])) };
}

function withPart(href: unknown, name: unknown, value: unknown): Readonly<Record<string, string>> | null {
  const part = PARTS.find((known) => known === name);
  if (typeof href !== 'string' || typeof value !== 'string' || part === undefined || !URL.canParse(href)) return null;
  const url = new URL(href);
  if (part === 'href') return partsOf(value);
  url[part] = value;
  return partsOf(url.href);
}

const pairsOf = (value: unknown): [string, string][] =>
  Array.isArray(value) ? value.map((pair) => [String(pair?.[0] ?? ''), String(pair?.[1] ?? '')]) : [];

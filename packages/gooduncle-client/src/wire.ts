/** Messages of the server, and the meaning of close codes. */
import type { Row } from './order.ts';
import type { Problem } from './types.ts';

export type EventName = 'original match' | 'match created' | 'match added' | 'match modified' | 'match dropped' | 'match deleted';
export type Code = 'ok' | 'forbidden' | 'not found' | 'bad request' | 'slow down' | 'error';

export interface Position {
  readonly from: number | null;
  readonly to: number | null;
}

export interface Response {
  readonly code: Code;
  readonly errors: readonly Problem[];
  readonly payload: Row & { readonly count: number; readonly ids: readonly string[] };
  readonly event?: EventName;
  readonly seq: number;
  readonly last?: true;
  readonly synced?: true;
  readonly count?: number;
  readonly cursor?: string;
  readonly version?: number;
  readonly position?: Position;
  /** The position from which the subscription can resume after a reconnect. */
  readonly since?: string;
}

export interface Answer {
  readonly session: { readonly roles: readonly string[] };
  /** Every answer repeats its request, so this identifies the client's requests. */
  readonly request: { readonly payload: { readonly ref?: string; readonly subscription?: string; readonly type: string } };
  readonly response: Response;
}

/** A single character, which the server treats as a keep-alive and never answers. */
export const BEAT = '`';
/** A message of more than 256 KiB ends the connection; the rest is reserved for ids that are added to a request. */
const MAX_REQUEST_BYTES = 256 * 1024 - 256;

export const isTooLarge = (text: string): boolean =>
  text.length * 3 > MAX_REQUEST_BYTES && new TextEncoder().encode(text).length > MAX_REQUEST_BYTES;

/**
 * @param parse `JSON.parse`, or a parser that keeps large integers exact
 * @returns undefined if the text is no answer
 */
export function decode(text: string, parse: (text: string) => unknown): Answer | undefined {
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    return undefined;
  }
  const answer = value as Partial<Answer> | null;
  const isAnswer =
    Array.isArray(answer?.session?.roles) &&
    typeof answer.request?.payload === 'object' &&
    answer.request.payload !== null &&
    typeof answer.response?.code === 'string' &&
    typeof answer.response.payload === 'object' &&
    answer.response.payload !== null &&
    Array.isArray(answer.response.errors);
  return isAnswer ? (answer as Answer) : undefined;
}

const MEANINGS: Readonly<Record<number, string>> = {
  1000: 'the connection was closed as asked',
  1001: 'the server is going away, as when it is restarted',
  1002: 'the server took a frame for broken',
  1006: 'the connection was lost',
  1007: 'the server took a text for broken',
  1009: 'a request was larger than 256 KiB',
  1011: 'the server failed',
  1013: 'this client did not read what it was sent',
  4408: 'the server heard nothing for three seconds',
  4429: 'this client went on above the rate limit',
};

/** @param code of the close event; undefined if there was none */
export const meaningOf = (code: number | undefined): string =>
  code === undefined ? 'nothing was heard for three seconds' : (MEANINGS[code] ?? `the connection was closed with ${code}`);

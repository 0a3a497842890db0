/**
 * Answers as text (Good Uncle: sending and receiving messages; protocol page 2.1, 4.6). An answer repeats the session and the whole
 * request, so the constant part of the answers to one request is serialized once and concatenated with the rest.
 */
import { isObject, type Json } from '@polyedge/query/json';
import type { Code, FieldProblem } from './problems.ts';

/** A stamp of a service in an answer's passport. Times in milliseconds since 1970. */
export interface ServiceStamp {
  readonly service: string;
  readonly instance: string;
  readonly in: number;
  readonly out: number;
}

/** The six events; the words are the original's, with their spaces. */
export type EventName = 'original match' | 'match created' | 'match added' | 'match modified' | 'match dropped' | 'match deleted';

export interface RowPosition {
  readonly from: number | null;
  readonly to: number | null;
}

/** The fields of an answer besides its code. */
export interface ResponseMeta {
  readonly event?: EventName;
  readonly seq?: number;
  readonly last?: true;
  readonly synced?: true;
  readonly count?: number;
  readonly more?: true;
  readonly cursor?: string;
  readonly version?: number;
  readonly position?: RowPosition;
  /** The position from which a subscription can resume after a reconnect. */
  readonly since?: string;
}

/** The echo of a request: its arrival and its payload as JSON text, without secrets. */
export interface Echo {
  readonly at: number;
  readonly text: string;
}

/** The constant beginning of the answers to one request, valid until the session's roles change. */
export function headText(session: string, roles: readonly string[], echo: Echo): string {
  return `{"session":{"id":${JSON.stringify(session)},"roles":${JSON.stringify(roles)}},"request":{"time":${Math.floor(echo.at)},"payload":${echo.text}},"response":{"time":`;
}

/** @param payload JSON text of an object; @param passport JSON text of the list of stamps */
export function answerText(
  head: string,
  at: number,
  code: Code,
  problems: readonly FieldProblem[],
  payload: string,
  meta: ResponseMeta,
  passport: string,
): string {
  let text = `${head}${Math.floor(at)},"code":"${code}","errors":${problems.length === 0 ? '[]' : JSON.stringify(problems)},"payload":${payload}`;
  if (meta.event !== undefined) text += `,"event":"${meta.event}"`;
  if (meta.seq !== undefined) text += `,"seq":${meta.seq}`;
  if (meta.last === true) text += ',"last":true';
  if (meta.synced === true) text += ',"synced":true';
  if (meta.count !== undefined) text += `,"count":${meta.count}`;
  if (meta.more === true) text += ',"more":true';
  if (meta.cursor !== undefined) text += `,"cursor":${JSON.stringify(meta.cursor)}`;
  if (meta.version !== undefined) text += `,"version":${meta.version}`;
  if (meta.position !== undefined) text += `,"position":{"from":${meta.position.from},"to":${meta.position.to}}`;
  if (meta.since !== undefined) text += `,"since":"${meta.since}"`;
  return `${text}},"passport":${passport}}`;
}

export const passportText = (stamps: readonly ServiceStamp[]): string => JSON.stringify(stamps);

const REDACTED = '[redacted]';

/**
 * The echoed payload: the original text, which is JSON already. Secrets of an `upgrade` are removed, unless the original's exact behaviour
 * is configured.
 */
export function echoText(raw: string, payload: Json, redact: boolean): string {
  if (!redact || !isObject(payload) || payload.type !== 'upgrade') return raw;
  const entries = Object.entries(payload).map(
    ([name, value]) => [name, name === 'password' || name === 'token' ? REDACTED : value] as const,
  );
  return JSON.stringify(Object.fromEntries(entries));
}

/**
 * What a request does, as a task that the WebSocket session and the REST handlers run alike: which questions it asks, and what it answers.
 * A failed outcome is an answer too, so `if (!found.ok) return found` ends a request as the store said.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import type { Question } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { ValidationResult } from '../failures.ts';

/** Items of a list, none of them null. */
export interface Items {
  readonly kind: 'items';
  readonly items: readonly Json[];
}

/** Pieces of a blob as base64, a frame each. */
export interface Content {
  readonly kind: 'content';
  readonly data: readonly string[];
}

export type HiroAnswer = { readonly ok: true; readonly value: Items | Content | { readonly kind: 'body'; readonly body: Json } } | Refused;

export interface Refused {
  readonly ok: false;
  readonly failure: Failure;
  readonly result?: ValidationResult;
}

/** A part of a long answer, which goes on when the client has taken it. The last part is the answer itself. */
export interface AnswerPage {
  readonly kind: 'page';
  readonly page: Items | Content;
}

export type Work = Task<Question | AnswerPage, HiroAnswer>;

export const answer = (body: Json): HiroAnswer => ({ ok: true, value: { kind: 'body', body } });
export const list = (items: readonly Json[]): HiroAnswer => ({ ok: true, value: { kind: 'items', items } });
export const page = (items: readonly Json[]): AnswerPage => ({ kind: 'page', page: { kind: 'items', items } });

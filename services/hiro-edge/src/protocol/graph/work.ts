/**
 * Requests as tasks, which the WebSocket session and the REST handlers share: their questions and answers. A failed outcome is an answer
 * too, so `if (!found.ok) return found` ends a request with the store's failure.
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

/** Parts of a blob as base64, one per frame. */
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

/** A part of a long answer, which continues after the client has received it. The last part is the answer itself. */
export interface AnswerPage {
  readonly kind: 'page';
  readonly page: Items | Content;
}

export type Work = Task<Question | AnswerPage, HiroAnswer>;

export const answer = (body: Json): HiroAnswer => ({ ok: true, value: { kind: 'body', body } });
export const list = (items: readonly Json[]): HiroAnswer => ({ ok: true, value: { kind: 'items', items } });
export const page = (items: readonly Json[]): AnswerPage => ({ kind: 'page', page: { kind: 'items', items } });

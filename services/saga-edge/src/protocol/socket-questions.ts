/** The questions of a Saga socket's tasks: those shared with REST calls, and those only a socket supports. */
import type { PostResult, SignalQuestion } from '@polyedge/saga/work';
import { type Authenticate, type Question, question } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { Room } from './joins.ts';
import type { Offset } from './recovery.ts';

export type SocketQuestion = Question | SignalQuestion | Authenticate | Enter;

/** Joins a room. */
export interface Enter {
  readonly kind: 'enter';
  readonly room: Room;
  readonly id: string | undefined;
}

/** A message as a task, and the form of its answer. */
export type SocketWork = Task<SocketQuestion, PostResult>;

/** Joins a room, and resumes once everything in it is delivered; `limited` if the socket has too many subscriptions. */
export const enter = (
  room: Room,
  id: string | undefined,
): Task<Enter, { readonly ok: true; readonly value: Offset } | { readonly ok: false }> =>
  question<Enter, Offset>({ kind: 'enter', room, id });

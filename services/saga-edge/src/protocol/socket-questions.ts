/** What the tasks of a Saga socket ask: what those of REST calls do, and what only a socket can. */
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

/** What a message does, and how it is answered. */
export type SocketWork = Task<SocketQuestion, PostResult>;

/** Joins a room, and goes on when everything in it is heard; `limited` when the socket has too many subscriptions. */
export const enter = (
  room: Room,
  id: string | undefined,
): Task<Enter, { readonly ok: true; readonly value: Offset } | { readonly ok: false }> =>
  question<Enter, Offset>({ kind: 'enter', room, id });

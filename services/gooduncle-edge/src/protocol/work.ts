/** Requests as tasks: their questions. They send their answers themselves, with `SessionOutput`. */
import type { graphQuery, MutationResult, Operation } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import { type Authenticate, type CallQuestion, question } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { Allowed } from './access.ts';

/** Reads rows. Answers may have megabytes, so reads are queued. */
export interface ReadRows {
  readonly kind: 'read';
  readonly query: RequestOf<typeof graphQuery>;
}

/** Writes by the right of a rule, with the rule's author. */
export interface WriteBy {
  readonly kind: 'write';
  readonly what: string;
  readonly operations: Operation[];
  readonly rule: Allowed;
}

export type SessionQuestion = CallQuestion | Authenticate | ReadRows | WriteBy;
export type SessionWork = Task<SessionQuestion>;

export type Rows = ReplyOf<typeof graphQuery>;

export const read = (query: RequestOf<typeof graphQuery>): Task<ReadRows, Outcome<Rows>> => question({ kind: 'read', query });

export const writeBy = (rule: Allowed, what: string, operations: readonly Operation[]): Task<WriteBy, Outcome<MutationResult>> =>
  question({ kind: 'write', what, operations: [...operations], rule });

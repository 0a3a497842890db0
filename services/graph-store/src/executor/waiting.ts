/** A message from its arrival until its answer, and what the parts of the executor share while an input is handled. */
import { isDeepStrictEqual } from 'node:util';
import type { MutationOutcome } from '@polyedge/contracts/bus/graph';
import { done, type Failure } from '@polyedge/contracts/errors';
import { Procedures } from '@polyedge/journal/procedure';
import type { BatchReply, ExecutorCall, ExecutorEffect, Submission } from './messages.ts';
import type { ExecutorStats } from './settings.ts';

export class ExecutorState {
  readonly effects: ExecutorEffect[] = [];
  readonly procedures = new Procedures<ExecutorCall>(this.effects);
  readonly stats: ExecutorStats = {
    batches: 0,
    requests: 0,
    changes: 0,
    exclusive: 0,
    bisected: 0,
    repeated: 0,
    joined: 0,
    lookups: 0,
    refused: 0,
    waitingRequests: 0,
    waitingBytes: 0,
  };
  /** Of the input that is handled. */
  at = 0;
}

export class Waiting {
  readonly submission: Submission;
  /** When it came, in milliseconds since 1970. */
  readonly wall: number;
  readonly #message: number;
  /** Messages that say the same, and came while this one was waiting or under way. */
  readonly #repeats: number[] = [];
  #deadline: number;

  constructor(message: number, submission: Submission, wall: number) {
    this.#message = message;
    this.submission = submission;
    this.wall = wall;
    this.#deadline = submission.deadline;
  }

  /** Of whoever waits longest for it. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Another attempt of the same message waits for the same outcome, so nothing is done twice. False: it is another message. */
  join(message: number, submission: Submission): boolean {
    if (!sameMessage(this.submission, submission)) return false;
    this.#deadline = Math.max(this.#deadline, submission.deadline);
    this.#repeats.push(message);
    return true;
  }

  answer(answer: BatchReply, effects: ExecutorEffect[]): void {
    effects.push({ do: 'answer', message: this.#message, answer });
    if (this.#repeats.length === 0) return;
    const repeated = asRepeat(answer);
    for (const message of this.#repeats) effects.push({ do: 'answer', message, answer: repeated });
  }
}

/** A message while its requests are carried out. */
export interface Message {
  readonly waiting: Waiting;
  /** By the request's place; a hole where nothing is certain yet. */
  readonly outcomes: (MutationOutcome | undefined)[];
  /** Why there are holes. */
  failure: Failure | undefined;
}

/** What an attempt is told that came while another one was under way. */
const asRepeat = (answer: BatchReply): BatchReply =>
  answer.ok
    ? done({
        ...answer.value,
        outcomes: answer.value.outcomes.map((outcome) =>
          outcome.ok ? { ok: true, value: { ...outcome.value, repeated: true } } : outcome,
        ),
      })
    : answer;

const sameMessage = (left: Submission, right: Submission): boolean =>
  left.tenant === right.tenant &&
  left.defaultScope === right.defaultScope &&
  left.trusted === right.trusted &&
  isDeepStrictEqual(left.requests, right.requests);

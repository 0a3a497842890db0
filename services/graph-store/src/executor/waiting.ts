/** A message from its arrival to its answer, and the state that the parts of the executor share while they handle an input. */
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
  /** The time of the current input. */
  at = 0;
}

export class Waiting {
  readonly submission: Submission;
  /** Time of arrival, in milliseconds since 1970. */
  readonly wall: number;
  readonly #message: number;
  /** Identical messages that arrived while this one was waiting or running. */
  readonly #repeats: number[] = [];
  #deadline: number;

  constructor(message: number, submission: Submission, wall: number) {
    this.#message = message;
    this.submission = submission;
    this.wall = wall;
    this.#deadline = submission.deadline;
  }

  /** The latest deadline of all its callers. */
  get deadline(): number {
    return this.#deadline;
  }

  /**
   * Another attempt of the same message waits for the same outcome, so nothing is done twice. Returns false if it is a different message.
   */
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

/** A message whose requests are being executed. */
export interface Message {
  readonly waiting: Waiting;
  /** By the request's index; undefined while unknown. */
  readonly outcomes: (MutationOutcome | undefined)[];
  /** The reason for unknown outcomes. */
  failure: Failure | undefined;
}

/** The answer to an attempt that arrived while another one was running. */
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

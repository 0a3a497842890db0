/**
 * Order between the answer to a write and the changes that the write causes on the same socket (delivery.md 5, "Own changes").
 *
 * *events-first*: an answer waits until the feed has delivered everything up to the write's last change. Answers stay in order, so later
 * ones wait behind it. *answer-first*: from the first change whose write is unanswered, the feed's deliveries to this socket wait.
 */
import type { PendingWrite, WriteOutcome } from './writes.ts';

/** How long an answer waits for its own events before it is sent anyway. */
export const EVENTS_FIRST_MS = 2000;
/** Maximum number of held-back deliveries: an order guarantee is not worth an unbounded queue. */
const MAX_HELD = 2000;

interface PendingAnswer {
  readonly outcome: WriteOutcome;
  ready: boolean;
}

interface HeldChange {
  readonly operationId: string | undefined;
  readonly run: () => void;
}

export class WriteOrdering {
  readonly #deliver: (outcome: WriteOutcome) => void;
  readonly #givenUp: () => void;
  #answers: PendingAnswer[] = [];
  readonly #unanswered = new Set<string>();
  #held: HeldChange[] = [];

  /**
   * @param deliver receives one answer
   * @param givenUp called when the order could not be kept
   */
  constructor(deliver: (outcome: WriteOutcome) => void, givenUp: () => void) {
    this.#deliver = deliver;
    this.#givenUp = givenUp;
  }

  /** A write is sent. */
  begin(write: PendingWrite): void {
    if (write.own === 'answer-first') this.#unanswered.add(write.request.operationId);
  }

  /**
   * A write was answered.
   * @param wait calls back when the events before this answer were delivered (or the wait was given up); undefined if there are none
   */
  answered(outcome: WriteOutcome, wait: ((then: (reached: boolean) => void) => void) | undefined): void {
    const answer: PendingAnswer = { outcome, ready: wait === undefined };
    this.#answers.push(answer);
    wait?.((reached) => {
      if (!reached) this.#givenUp();
      answer.ready = true;
      this.#pass();
    });
    this.#pass();
  }

  /** The session has handled the answer to this write: resumes what waited for it. */
  settled(write: PendingWrite): void {
    if (!this.#unanswered.delete(write.request.operationId)) return;
    this.#release(false);
  }

  /** A delivery of the feed to this socket: runs now, or later behind those held back. */
  offer(operationId: string | undefined, run: () => void): void {
    if (!this.holds(operationId)) {
      run();
      return;
    }
    this.#held.push({ operationId, run });
    if (this.#held.length > MAX_HELD) {
      this.#givenUp();
      this.#release(true);
    }
  }

  /** Whether `offer` would hold this back; saves the broadcaster a closure for each frame. */
  holds(operationId: string | undefined): boolean {
    return this.#held.length > 0 || (operationId !== undefined && this.#unanswered.has(operationId));
  }

  clear(): void {
    this.#answers = [];
    this.#held = [];
    this.#unanswered.clear();
  }

  #pass(): void {
    while (this.#answers[0]?.ready === true) {
      const [answer] = this.#answers.splice(0, 1);
      if (answer !== undefined) this.#deliver(answer.outcome);
    }
  }

  #release(all: boolean): void {
    const held = this.#held;
    this.#held = [];
    for (const [at, { operationId, run }] of held.entries()) {
      if (!all && operationId !== undefined && this.#unanswered.has(operationId)) {
        this.#held = [...held.slice(at), ...this.#held];
        return;
      }
      run();
    }
  }
}

/**
 * The scheduling of the batch executor as a pure machine: `handle(input, at) → effects`, without clock, randomness or I/O; `executor.ts`
 * carries out the effects. Requests that arrive together are committed together (`batch-lane.ts`). A message that repeats a waiting or
 * running one gets the outcome of that one. There are two independent lanes, one of them for large values; callers that need the order of
 * their writes have only one message in flight.
 */
import type { MutationRequest } from '@polyedge/contracts/bus/graph';
import { failed } from '@polyedge/contracts/errors';
import type { Committed } from '../publisher/recent.ts';
import { BatchLane, type LaneParts } from './batch-lane.ts';
import type { ExecutorEffect, ExecutorInput, LaneName, Submission } from './messages.ts';
import { type ExecutorStats, LARGE, MAX_KNOWN_LARGE } from './settings.ts';
import { ExecutorState, Waiting } from './waiting.ts';

export class ExecutorMachine {
  readonly #state = new ExecutorState();
  readonly #lanes: Readonly<Record<LaneName, BatchLane>>;
  /** Waiting and running messages, by their operation ids. */
  readonly #attempts = new Map<string, Waiting>();
  /** Elements with large states. */
  readonly #large = new Set<string>();
  #isOverloaded = false;
  #isStopping = false;
  #isStopped = false;

  constructor() {
    const lane = (name: LaneName): BatchLane => {
      const parts: LaneParts = {
        name,
        state: this.#state,
        answered: (waiting, answer) => {
          const attempt = attemptOf(waiting.submission);
          if (this.#attempts.get(attempt) === waiting) this.#attempts.delete(attempt);
          waiting.answer(answer, this.#state.effects);
        },
        committed: ({ outcomes, changes }) => {
          const { stats, effects } = this.#state;
          stats.batches += 1;
          stats.requests += outcomes.length;
          stats.changes += changes.length;
          for (const outcome of outcomes) if (outcome.ok && outcome.value.repeated === true) stats.repeated += 1;
          for (const committed of changes) this.#note(committed);
          effects.push({ do: 'committed', changes });
        },
      };
      return new BatchLane(parts);
    };
    this.#lanes = { small: lane('small'), large: lane('large') };
  }

  /** @param at milliseconds from an arbitrary origin, never decreasing: the clock of deadlines */
  handle(input: ExecutorInput, at: number): readonly ExecutorEffect[] {
    const { effects, procedures } = this.#state;
    this.#state.at = at;
    switch (input.kind) {
      case 'submit':
        this.#submit(input.message, input.submission, input.wall);
        break;
      case 'begin':
        this.#lanes[input.lane].begin();
        break;
      case 'reply':
        procedures.resume(input.id, input.outcome);
        break;
      case 'stop':
        this.#isStopping = true;
        break;
    }
    this.#watchLoad();
    if (this.#isStopping && !this.#isStopped && this.#lanes.small.isIdle && this.#lanes.large.isIdle) {
      this.#isStopped = true;
      effects.push({ do: 'stopped' });
    }
    return effects.splice(0);
  }

  get stats(): Readonly<ExecutorStats> {
    return this.#state.stats;
  }

  #submit(message: number, submission: Submission, wall: number): void {
    const { effects, stats } = this.#state;
    const attempt = attemptOf(submission);
    if (this.#attempts.get(attempt)?.join(message, submission) === true) {
      stats.joined += 1;
      return;
    }
    const lane = this.#lanes[this.#isLarge(submission) ? 'large' : 'small'];
    if (this.#isStopping || lane.isFull) {
      stats.refused += submission.requests.length;
      effects.push({ do: 'answer', message, answer: failed('busy') });
      return;
    }
    const waiting = new Waiting(message, submission, wall);
    this.#attempts.set(attempt, waiting);
    lane.add(waiting);
  }

  /** Only the small lane reports overload; excess messages of the large lane are rejected individually. */
  #watchLoad(): void {
    const { small } = this.#lanes;
    if (this.#isOverloaded ? !small.isHalfEmpty : !small.isFull) return;
    this.#isOverloaded = !this.#isOverloaded;
    this.#state.effects.push({ do: 'overload', overloaded: this.#isOverloaded });
  }

  #isLarge({ bytes, requests }: Submission): boolean {
    return bytes >= LARGE || (this.#large.size > 0 && requests.some((request) => this.#touchesLarge(request)));
  }

  #touchesLarge({ operations }: MutationRequest): boolean {
    return operations.some((operation) => 'target' in operation && 'id' in operation.target && this.#large.has(operation.target.id));
  }

  #note({ change: { id }, attributesJson: { length: characters } }: Committed): void {
    this.#large.delete(id);
    if (characters < LARGE) return;
    this.#large.add(id);
    const [oldest] = this.#large;
    if (this.#large.size > MAX_KNOWN_LARGE && oldest !== undefined) this.#large.delete(oldest);
  }
}

const attemptOf = ({ requests }: Submission): string => requests.map(({ operationId }) => operationId).join();

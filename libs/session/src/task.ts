/**
 * A task: work of several questions, one after the other. It is a generator that yields each question and is resumed with its outcome, so it
 * reads from top to bottom, has no clock and no I/O, and can be ended where it stands. What it does is decided by the outcomes alone.
 *
 * Sessions run tasks with `Tasks` (each question becomes an effect, its outcome comes back as an input), REST handlers with
 * `edge-kit/rest-tasks` (each question is awaited). A task does not know which of them runs it.
 */
import type { Outcome } from '@polyedge/contracts/errors';

/**
 * What `function*` makes, as far as runners and `yield*` need it.
 * @typeParam Question what it may ask; whoever asks knows of which type the outcome is (see `questions.ts`)
 */
export interface Task<Question, Result = void> {
  /** Called without an outcome to begin, and with that of the question before to go on. */
  next(...[outcome]: [] | [Outcome<unknown>]): IteratorResult<Question, Result>;
  [Symbol.iterator](): Task<Question, Result>;
}

/** What a runner does for its tasks. `Effects` is whatever its owner makes of a question or an end. */
export interface TaskHost<Question, Result, Owner, Effects> {
  /** Asks. The outcome has to come to `Tasks.resume` under `id`, once. */
  ask(id: string, question: Question, owner: Owner): Effects;
  /** The task has returned. */
  done(result: Result, owner: Owner): Effects;
}

/** The running tasks of one session: pure, bounded, and each known by an id of its owner's choice. */
export class Tasks<Question, Result, Owner, Effects> {
  readonly #host: TaskHost<Question, Result, Owner, Effects>;
  readonly #atMost: number;
  readonly #waiting = new Map<string, { readonly task: Task<Question, Result>; readonly owner: Owner }>();

  /** @param atMost tasks at once. Whoever starts them asks `isFull` first. */
  constructor(host: TaskHost<Question, Result, Owner, Effects>, atMost: number) {
    this.#host = host;
    this.#atMost = atMost;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get isFull(): boolean {
    return this.#waiting.size >= this.#atMost;
  }

  /** Runs a task up to its first question, or to its end. Throws when there are too many. */
  start(id: string, task: Task<Question, Result>, owner: Owner): Effects {
    if (this.isFull) throw new RangeError(`more than ${this.#atMost} tasks at once`);
    const step = task.next();
    if (step.done === true) return this.#host.done(step.value, owner);
    this.#waiting.set(id, { task, owner });
    return this.#host.ask(id, step.value, owner);
  }

  /** Goes on with the outcome of a question; undefined when no task waits under this id. */
  resume(id: string, outcome: Outcome<unknown>): Effects | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    const { task, owner } = waiting;
    const step = task.next(outcome);
    if (step.done !== true) return this.#host.ask(id, step.value, owner);
    this.#waiting.delete(id);
    return this.#host.done(step.value, owner);
  }

  /** Forgets every task where it stands: a task holds nothing that has to be given back. Outcomes that come later find nobody. */
  end(): void {
    this.#waiting.clear();
  }
}

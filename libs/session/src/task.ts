/**
 * A task: work of several questions, one after the other. It is a generator that yields each question and is resumed with its outcome, so
 * it reads from top to bottom, has no clock and no I/O, and can be abandoned at any point. Its course depends on the outcomes alone.
 *
 * Sessions run tasks with `Tasks` (each question becomes an effect, and its outcome arrives as an input), REST handlers with
 * `edge-kit/rest-tasks` (each question is awaited). A task does not know which of them runs it.
 */
import type { Outcome } from '@polyedge/contracts/errors';

/**
 * The part of a generator that runners and `yield*` need.
 * @typeParam Question the questions it may yield; each fixes the type of its outcome (see `questions.ts`)
 */
export interface Task<Question, Result = void> {
  /** Called without an outcome to start the task, and with the outcome of the last question to resume it. */
  next(...[outcome]: [] | [Outcome<unknown>]): IteratorResult<Question, Result>;
  [Symbol.iterator](): Task<Question, Result>;
}

/** Carries out questions for `Tasks`. `Effects` is what the owner returns for a question or a result. */
export interface TaskHost<Question, Result, Owner, Effects> {
  /** Carries out a question. Its outcome must be passed to `Tasks.resume` with this id, exactly once. */
  perform(id: string, question: Question, owner: Owner): Effects;
  /** The task has returned. */
  done(result: Result, owner: Owner): Effects;
}

/** The running tasks of one session: pure, bounded, and each identified by an id that its owner chooses. */
export class Tasks<Question, Result, Owner, Effects> {
  readonly #host: TaskHost<Question, Result, Owner, Effects>;
  readonly #atMost: number;
  /** From the first task on: an idle connection has none, and memory per connection matters. */
  #waiting: Map<string, { readonly task: Task<Question, Result>; readonly owner: Owner }> | undefined;

  /** @param atMost maximum number of concurrent tasks. Callers check `isFull` before `start`. */
  constructor(host: TaskHost<Question, Result, Owner, Effects>, atMost: number) {
    this.#host = host;
    this.#atMost = atMost;
  }

  get size(): number {
    return this.#waiting?.size ?? 0;
  }

  get isFull(): boolean {
    return this.size >= this.#atMost;
  }

  /** Runs a task up to its first question or to its end. Throws if there are too many. */
  start(id: string, task: Task<Question, Result>, owner: Owner): Effects {
    if (this.isFull) throw new RangeError(`more than ${this.#atMost} concurrent tasks`);
    const step = task.next();
    if (step.done === true) return this.#host.done(step.value, owner);
    this.#waiting ??= new Map();
    this.#waiting.set(id, { task, owner });
    return this.#host.perform(id, step.value, owner);
  }

  /** Resumes a task with the outcome of its question; undefined if no task waits under this id. */
  resume(id: string, outcome: Outcome<unknown>): Effects | undefined {
    const waiting = this.#waiting?.get(id);
    if (waiting === undefined) return undefined;
    const { task, owner } = waiting;
    const step = task.next(outcome);
    if (step.done !== true) return this.#host.perform(id, step.value, owner);
    this.#waiting?.delete(id);
    return this.#host.done(step.value, owner);
  }

  /** Abandons all tasks. Tasks hold no resources, so nothing needs to be released; later outcomes are ignored. */
  end(): void {
    this.#waiting = undefined;
  }
}

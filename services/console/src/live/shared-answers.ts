/**
 * Answers that are the same for every page that asks: those asked for within a short time share one, so ten open pages cost the edges what
 * one does. Bounded: answers older than that time are dropped.
 */
import { failed, type Outcome } from '@polyedge/contracts/errors';

interface SharedAnswer {
  readonly askedAt: number;
  readonly answer: Promise<Outcome<string>>;
}

export class SharedAnswers {
  readonly #keptMs: number;
  readonly #now: () => number;
  readonly #kept = new Map<string, SharedAnswer>();

  /**
   * @param keptMs how old an answer may be, from when it was asked for
   * @param now monotonic, in milliseconds
   */
  constructor(keptMs: number, now: () => number) {
    this.#keptMs = keptMs;
    this.#now = now;
  }

  /** The answer to `question` as JSON text. `ask` is called unless it was less than `keptMs` ago; what failed is not kept. */
  get(question: string, ask: () => Promise<Outcome<unknown>>): Promise<Outcome<string>> {
    const now = this.#now();
    for (const [key, { askedAt }] of this.#kept) if (now - askedAt >= this.#keptMs) this.#kept.delete(key);
    const known = this.#kept.get(question);
    if (known !== undefined) return known.answer;
    const kept: SharedAnswer = { askedAt: now, answer: this.#asked(ask) };
    this.#kept.set(question, kept);
    void kept.answer.then(({ ok }) => {
      if (!ok && this.#kept.get(question) === kept) this.#kept.delete(question);
    });
    return kept.answer;
  }

  /** Something was changed: every question is asked again. */
  forget(): void {
    this.#kept.clear();
  }

  async #asked(ask: () => Promise<Outcome<unknown>>): Promise<Outcome<string>> {
    const outcome = await ask().catch(() => failed('internal'));
    return outcome.ok ? { ok: true, value: JSON.stringify(outcome.value) } : outcome;
  }
}

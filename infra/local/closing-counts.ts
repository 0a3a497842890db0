/** The counts with which Node's test runner closes, of several runs as if they were one. */
import type { TestEvent } from 'node:test/reporters';

const NAMES = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms'] as const;
type Name = (typeof NAMES)[number];
const COUNT = new RegExp(`^(${NAMES.join('|')}) ([\\d.]+)$`);

export class ClosingCounts {
  readonly #sums = new Map<Name, number>(NAMES.map((name) => [name, 0]));
  #summary: TestEvent | undefined;

  /** The summary of the last run; a reporter that gets it lists what has failed. */
  get summary(): TestEvent | undefined {
    return this.#summary;
  }

  /** Adds an event if it closes a run: one of its counts, or its summary, which say no file. @returns whether it was */
  take(event: TestEvent): boolean {
    if (event.type === 'test:summary' && event.data.file === undefined) {
      this.#summary = event;
      return true;
    }
    if (event.type !== 'test:diagnostic' || event.data.file !== undefined || event.data.nesting !== 0) return false;
    const [, name, count] = COUNT.exec(event.data.message) ?? [];
    const known = NAMES.find((one) => one === name);
    if (known === undefined) return false;
    this.#sums.set(known, this.#of(known) + Number(count));
    return true;
  }

  /** The sums in the runner's own form and order. */
  lines(): string[] {
    return NAMES.map((name) => `${name} ${this.#of(name)}`);
  }

  /** The same in words. */
  sentence(): string {
    const left = this.#of('skipped') + this.#of('todo');
    return `${this.#of('pass')} passed, ${this.#of('tests') - this.#of('pass') - left} failed, ${left} skipped`;
  }

  #of(name: Name): number {
    return this.#sums.get(name) ?? 0;
  }
}

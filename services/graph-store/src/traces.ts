/**
 * Links a change to the request that caused it, for tracing, by the operation id. Kept in memory for a while; changes without an entry are
 * published untraced.
 */
import type { Span, Spans } from '@polyedge/service-kit/spans';

const MAX_REMEMBERED = 10_000;

export class Traces {
  readonly #spans: Spans;
  readonly #byOperation = new Map<string, string>();

  constructor(spans: Spans) {
    this.#spans = spans;
  }

  /** Requests of the span that is running. */
  remember(operationIds: readonly string[]): void {
    const traceparent = this.#spans.current();
    if (traceparent === undefined) return;
    for (const id of operationIds) this.#byOperation.set(id, traceparent);
    for (const id of this.#byOperation.keys()) {
      if (this.#byOperation.size <= MAX_REMEMBERED) break;
      this.#byOperation.delete(id);
    }
  }

  /** One batch of many requests: it is shown in the trace of the first that has one. */
  batch(operationIds: readonly string[]): Span | undefined {
    const known = operationIds.map((id) => this.#byOperation.get(id)).find((found) => found !== undefined);
    return known === undefined ? undefined : this.#spans.step('batch in PostgreSQL', known);
  }

  partOf(batch: Span, name: string): Span {
    return this.#spans.step(name, batch.traceparent);
  }

  publish(operationId: string): Span | undefined {
    const known = this.#byOperation.size === 0 ? undefined : this.#byOperation.get(operationId);
    return known === undefined ? undefined : this.#spans.step('publish change', known);
  }
}

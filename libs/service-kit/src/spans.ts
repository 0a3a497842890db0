/**
 * The port for tracing: spans are made by hand where a piece of work begins (frame, REST call, write, bus request, bus handler, SQL batch, publishing,
 * delivery). Absent when tracing is off, so it costs nothing.
 */

/** One span that has begun. */
export interface Span {
  /** The W3C trace context of this span, for a message's header. */
  readonly traceparent: string;
  /** Runs `work` so that spans begun inside it, also after its awaits, are children of this one. */
  run<Result>(work: () => Result): Result;
  /** Ends the span. `result` is `ok` or an error code. */
  end(result: string): void;
}

export interface Spans {
  /** A frame that a client sent; a new trace. */
  frame(edge: string, type: string): Span;
  /** A REST call: goes on with the trace that the client names (its `traceparent`), else begins one. */
  call(name: string, traceparent: string | undefined): Span;
  /** A request on the bus, as a child of the span that is running. */
  request(channel: string): Span;
  /** The handling of a request, as a child of the caller's span. */
  handler(channel: string, traceparent: string): Span;
  /** A piece of work inside a process, as a child of the span that is running, or of the one that `traceparent` names. */
  step(name: string, traceparent?: string): Span;
  /** The trace context of the span that is running. */
  current(): string | undefined;
}

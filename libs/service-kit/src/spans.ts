/**
 * The tracing port: spans are created explicitly where a piece of work starts (frame, REST call, write, bus request, bus handler, SQL
 * batch, publishing, delivery). Absent when tracing is off, so it costs nothing.
 */

/** A started span. */
export interface Span {
  /** The W3C trace context of this span, for a message's header. */
  readonly traceparent: string;
  /** Runs `work` so that spans started inside it, also after its awaits, are children of this one. */
  run<Result>(work: () => Result): Result;
  /** Ends the span. `result` is `ok` or an error code. */
  end(result: string): void;
}

export interface Spans {
  /** A frame from a client; starts a new trace. */
  frame(edge: string, type: string): Span;
  /** A REST call: continues the trace of the client's `traceparent`, else starts one. */
  call(name: string, traceparent: string | undefined): Span;
  /** A request on the bus, as a child of the current span. */
  request(channel: string): Span;
  /** The handling of a request, as a child of the caller's span. */
  handler(channel: string, traceparent: string): Span;
  /** A piece of work inside a process, as a child of the current span or of the one that `traceparent` names. */
  step(name: string, traceparent?: string): Span;
  /** The trace context of the current span. */
  current(): string | undefined;
}

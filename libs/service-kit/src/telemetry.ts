/**
 * Sets up OpenTelemetry: metrics for Prometheus on a separate port, traces over OTLP if a collector is configured. If both are off, the SDK
 * is not loaded. The rest of the system sees only `Metrics` and `Spans`.
 */
import type { AddressInfo } from 'node:net';
import {
  type Context,
  context,
  metrics,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { MetricReader } from '@opentelemetry/sdk-metrics';
import { BODY_MS, guardHttp } from './http-guard.ts';
import { Metrics, noMetrics } from './metrics.ts';
import { createServer } from './node-http.ts';
import type { Span, Spans } from './spans.ts';
import { WallClock } from './wall-clock.ts';

export interface Telemetry {
  readonly metrics: Metrics;
  /** Undefined when tracing is off. */
  readonly spans: Spans | undefined;
  /** Port of `GET /metrics`, or undefined. */
  readonly metricsPort: number | undefined;
  /** Flushes and stops. */
  stop(): Promise<void>;
}

interface Sdk {
  shutdown(): Promise<void>;
}

export interface TelemetryOptions {
  readonly service: string;
  readonly host: string;
  /** Undefined for no metrics; 0 for a free port. */
  readonly metricsPort: number | undefined;
  /** The SDK reads the collector's address itself, from `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly tracing: boolean;
}

/** Rejects if the metrics port is taken. */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { service, metricsPort, tracing } = options;
  if (metricsPort === undefined && !tracing)
    return { metrics: noMetrics(), spans: undefined, metricsPort: undefined, stop: async () => {} };
  const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus');
  const exporter =
    metricsPort === undefined
      ? undefined
      : new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true, withoutTargetInfo: true });
  const sdk = tracing || exporter === undefined ? await tracingSdk(service, exporter) : await metricsSdk(exporter);
  const server =
    exporter === undefined
      ? undefined
      : createServer({ requestTimeout: BODY_MS }, (request, response) => {
          if (request.method === 'GET' && request.url?.split('?')[0] === '/metrics') exporter.getMetricsRequestHandler(request, response);
          else response.writeHead(404).end();
        });
  if (server !== undefined) {
    guardHttp(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(metricsPort, options.host, resolve);
    });
    server.unref();
  }
  return {
    metrics: exporter === undefined ? noMetrics() : new Metrics(metrics.getMeter('polyedge')),
    spans: tracing ? new TracerSpans(trace.getTracer('polyedge')) : undefined,
    metricsPort: server === undefined ? undefined : addressOf(server.address()),
    stop: async () => {
      server?.close();
      server?.closeAllConnections();
      await sdk.shutdown();
    },
  };
}

/** Creates the OTLP exporter from its own environment variables. */
async function tracingSdk(service: string, exporter: MetricReader | undefined): Promise<Sdk> {
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const sdk = new NodeSDK({
    serviceName: service,
    autoDetectResources: false,
    instrumentations: [],
    logRecordProcessors: [],
    metricReaders: exporter === undefined ? [] : [exporter],
  });
  sdk.start();
  return sdk;
}

/** The part of the SDK that metrics need: the whole of it, with every exporter there is, is most of what a service loads. */
async function metricsSdk(exporter: MetricReader): Promise<Sdk> {
  const { MeterProvider } = await import('@opentelemetry/sdk-metrics');
  const provider = new MeterProvider({ readers: [exporter] });
  metrics.setGlobalMeterProvider(provider);
  return provider;
}

const addressOf = (address: AddressInfo | string | null): number | undefined =>
  typeof address === 'object' && address !== null ? address.port : undefined;

class TracerSpans implements Spans {
  readonly #tracer: Tracer;
  readonly #clock = new WallClock();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  frame(edge: string, type: string): Span {
    return this.#begin(`${edge} ${type}`, SpanKind.SERVER, ROOT_CONTEXT);
  }

  call(name: string, traceparent: string | undefined): Span {
    return this.#begin(name, SpanKind.SERVER, traceparent === undefined ? ROOT_CONTEXT : parentOf(traceparent));
  }

  request(channel: string): Span {
    return this.#begin(`${channel} request`, SpanKind.CLIENT, context.active());
  }

  handler(channel: string, traceparent: string): Span {
    return this.#begin(`${channel} handle`, SpanKind.SERVER, parentOf(traceparent));
  }

  step(name: string, traceparent?: string): Span {
    return this.#begin(name, SpanKind.INTERNAL, traceparent === undefined ? context.active() : parentOf(traceparent));
  }

  current(): string | undefined {
    const span = trace.getActiveSpan();
    return span === undefined ? undefined : traceparentOf(span);
  }

  #begin(name: string, kind: SpanKind, parent: Context): Span {
    const span = this.#tracer.startSpan(name, { kind, startTime: this.#clock.now() }, parent);
    return {
      traceparent: traceparentOf(span),
      run: (work) => context.with(trace.setSpan(context.active(), span), work),
      end: (result) => {
        if (result !== 'ok') span.setStatus({ code: SpanStatusCode.ERROR, message: result });
        span.end(this.#clock.now());
      },
    };
  }
}

function traceparentOf(span: OtelSpan): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

/** The caller's span, from the W3C Trace Context header; a root if the header is missing or malformed. */
function parentOf(traceparent: string): Context {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(traceparent);
  if (match === null) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = '0'] = match;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true });
}

/**
 * A service's whole `main.ts`: `await run({ name, summary, settings, check, start })`. Also provides its command line: `config`, `config --env`,
 * `config --check`, `--help`.
 */
import { randomBytes } from 'node:crypto';
import type { CommonSettings } from './common-settings.ts';
import { readConfig } from './config.ts';
import type { Readiness } from './health.ts';
import { CannotStart, Lifecycle, type Running } from './lifecycle.ts';
import { createLog, type Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Config, Settings } from './settings.ts';
import { settingsEnv, settingsText } from './settings-table.ts';
import type { Spans } from './spans.ts';
import { startTelemetry, type Telemetry } from './telemetry.ts';

/** The context of `start`, besides the settings. */
export interface ServiceContext {
  readonly service: string;
  /** Random for each start; distinguishes replicas in NATS, Redis and traces. */
  readonly instance: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Undefined when tracing is off. */
  readonly spans: Spans | undefined;
  /** For `/readyz`: starting, draining, or the service's own status. */
  readonly ready: Readiness;
  /** Ends the process with 1, on an error that it cannot recover from. */
  fatal(sentence: string, error?: unknown): void;
}

export interface Service<S extends Settings & CommonSettings> {
  /** `hiro-edge`: queue group, inbox prefix, log field and prefix of its settings. */
  readonly name: string;
  /** One sentence for `--help`. */
  readonly summary: string;
  readonly settings: S;
  /** Throws `CannotStart` for settings that contradict each other, or name files that cannot be used. Called by `config --check` and before `start`. */
  check(config: Config<S>): void | Promise<void>;
  /** Starts everything, in order. Throws `CannotStart` with a message if the operator can fix the cause. */
  start(config: Config<S>, context: ServiceContext): Promise<Running>;
}

/** Runs a service, or its command line. Ends the process on invalid settings, each reported in a sentence. */
export async function run<S extends Settings & CommonSettings>(service: Service<S>): Promise<void> {
  const { name, settings } = service;
  const [command, option] = process.argv.slice(2);
  if (command === '--help' || command === '-h') {
    process.stdout.write(help(service));
    return;
  }
  if (command === 'config' && option !== '--check') {
    process.stdout.write(option === '--env' ? settingsEnv(name, settings) : settingsText(name, settings));
    return;
  }
  if (command !== undefined && command !== 'config') {
    process.stderr.write(`${name}: there is no command "${command}"\n\n${help(service)}`);
    process.exitCode = 2;
    return;
  }
  const read = readConfig(name, settings);
  if (!read.ok) {
    for (const problem of read.problems) process.stderr.write(`${name}: ${problem}\n`);
    process.exitCode = 2;
    return;
  }
  if (command === 'config') {
    try {
      await service.check(read.config);
    } catch (error) {
      if (!(error instanceof CannotStart)) throw error;
      process.stderr.write(`${name}: ${error.message}\n`);
      process.exitCode = 2;
      return;
    }
    for (const warning of read.warnings) process.stdout.write(`${name}: ${warning}\n`);
    process.stdout.write(`${name}: the settings are valid\n`);
    return;
  }
  const { config } = read;
  // The settings that every service has; `Config<S>` keeps them behind the generic.
  const common: Config<CommonSettings> = config;
  const log = createLog({ service: name, level: common.logLevel });
  for (const warning of read.warnings) log.warn(warning);
  let telemetry: Telemetry | undefined;
  const lifecycle = new Lifecycle({ log, drainMs: common.drainMs, lastWords: async () => telemetry?.stop() });
  await lifecycle.run(async () => {
    await service.check(config);
    const started = await startTelemetry({
      service: name,
      host: common.host,
      metricsPort: metricsPortOf(common),
      tracing: common.otlpEndpoint !== undefined,
    }).catch((error: unknown) => {
      throw new CannotStart(`the metrics port cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
    });
    telemetry = started;
    if (started.metricsPort !== undefined) log.info(`metrics on ${started.metricsPort}`);
    const context: ServiceContext = {
      service: name,
      instance: randomBytes(6).toString('hex'),
      log,
      metrics: started.metrics,
      spans: started.spans,
      ready: () => lifecycle.ready(),
      fatal: (sentence, error) => lifecycle.fatal(sentence, error),
    };
    return service.start(config, context);
  });
}

/** `METRICS_PORT`, else the service's port + 1000; a free port if the service's port is 0. */
function metricsPortOf(config: Config<CommonSettings>): number | undefined {
  if (config.metricsPort === 'off') return undefined;
  if (config.metricsPort !== undefined) return Number(config.metricsPort);
  return config.port === 0 ? 0 : Math.min(config.port + 1_000, 65_535);
}

const help = (service: { readonly name: string; readonly summary: string }): string => `${service.name}: ${service.summary}

Usage:
  node src/main.ts                  run the service; settings come from the environment
  node src/main.ts config           list the settings with their defaults
  node src/main.ts config --env     the same as a .env file
  node src/main.ts config --check   say what is wrong with the settings of this environment
`;

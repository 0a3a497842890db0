/**
 * Logging: JSON lines on standard output. Fields are fixed: `service edge conn tenant type id code ms` and `err` for a bug's error. Payloads
 * and credentials are never logged; keys that look like a credential are replaced as a second line of defence.
 */
import { pino } from 'pino';

/** The fields a line may carry besides its sentence. */
export interface LogFields {
  readonly edge?: string;
  readonly conn?: string | number;
  readonly tenant?: string;
  readonly type?: string;
  readonly id?: string;
  readonly code?: string | number;
  readonly ms?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly port?: number;
  /** Places in the journal. */
  readonly seq?: number;
  readonly epoch?: string;
  readonly fence?: number;
  readonly partition?: number;
  readonly group?: string;
  readonly err?: unknown;
}

/** Writes one line. The sentence is for the operator. */
export type Write = (sentence: string, fields?: LogFields) => void;

/** What the rest of the system sees of the log. */
export interface Log {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly fatal: Write;
  /** A log whose lines all carry these fields. */
  with(fields: LogFields): Log;
  /** Writes out what is buffered; call before the process ends. */
  flush(): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const SECRETS = ['token', 'accessToken', 'refreshToken', 'password', 'proof', 'secret', 'authorization', 'cookie', 'key', 'credential'];

/** Where lines go: standard output unless a test gives its own. */
export interface LogTarget {
  write(line: string): void;
}

/** A log for one service. Lines are written synchronously, so nothing is lost when the process ends at once. */
export function createLog(options: { readonly service: string; readonly level: LogLevel; readonly target?: LogTarget }): Log {
  const stream = options.target ?? pino.destination({ fd: 1, sync: true });
  const logger = pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `err.${name}`, `err.*.${name}`]), censor: '[redacted]' },
    },
    stream,
  );
  return wrap(logger);
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (sentence, fields) => logger.debug(fields ?? {}, sentence),
    info: (sentence, fields) => logger.info(fields ?? {}, sentence),
    warn: (sentence, fields) => logger.warn(fields ?? {}, sentence),
    error: (sentence, fields) => logger.error(fields ?? {}, sentence),
    fatal: (sentence, fields) => logger.fatal(fields ?? {}, sentence),
    with: (fields) => wrap(logger.child(fields)),
    flush: () => logger.flush(),
  };
}

const nothing = () => {};

/** A log that writes nothing. */
export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
  with: () => silentLog,
  flush: nothing,
};

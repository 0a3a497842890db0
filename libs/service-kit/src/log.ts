/**
 * Logging: JSON lines on standard output. Fields are fixed: `service edge conn tenant type id code ms` and `err` for the error of a bug.
 * Payloads and credentials are never logged; as a second line of defence, values of keys that look like a credential are replaced. Lines of
 * one kind are limited per minute (`line-bound.ts`), so events that clients cause may be logged.
 */
import { pino } from 'pino';
import { LineBound } from './line-bound.ts';

/** The optional fields of a line. */
export interface LogFields {
  readonly edge?: string;
  readonly conn?: string | number;
  readonly tenant?: string;
  readonly type?: string;
  readonly id?: string;
  /** The account that the work was done for. */
  readonly by?: string;
  readonly code?: string | number;
  readonly ms?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly port?: number;
  /** Positions in the journal. */
  readonly seq?: number;
  readonly epoch?: string;
  readonly fence?: number;
  readonly partition?: number;
  readonly group?: string;
  /** Only where it is not `main`. */
  readonly journal?: string;
  readonly err?: unknown;
}

/** Writes one line. The message is for the operator. */
export type LogWriter = (sentence: string, fields?: LogFields) => void;

/** The logger, as the rest of the system sees it. */
export interface Log {
  readonly debug: LogWriter;
  readonly info: LogWriter;
  readonly warn: LogWriter;
  readonly error: LogWriter;
  readonly fatal: LogWriter;
  /** A logger whose lines all have these fields. */
  with(fields: LogFields): Log;
  /** Flushes the buffer; call it before the process ends. */
  flush(): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const SECRETS = ['token', 'accessToken', 'refreshToken', 'password', 'proof', 'secret', 'authorization', 'cookie', 'key', 'credential'];

/** Destination of the lines: standard output, or a test's own. */
export interface LogTarget {
  write(line: string): void;
}

/** A logger for one service. Lines are written synchronously, so nothing is lost if the process ends. */
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
  const bound = new LineBound((level, kind, count) => {
    const write = level === 'info' ? logger.info : level === 'warn' ? logger.warn : logger.error;
    write.call(logger, { count }, `${kind}: further lines of this minute were left out`);
  });
  return wrap(logger, bound);
}

function wrap(logger: pino.Logger, bound: LineBound): Log {
  const bounded =
    (level: 'info' | 'warn' | 'error'): LogWriter =>
    (sentence, fields) => {
      if (logger.isLevelEnabled(level) && bound.admits(level, sentence)) logger[level](fields ?? {}, sentence);
    };
  return {
    debug: (sentence, fields) => logger.debug(fields ?? {}, sentence),
    info: bounded('info'),
    warn: bounded('warn'),
    error: bounded('error'),
    fatal: (sentence, fields) => logger.fatal(fields ?? {}, sentence),
    with: (fields) => wrap(logger.child(fields), bound),
    flush: () => {
      bound.end();
      logger.flush();
    },
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

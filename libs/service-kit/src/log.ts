/**
 * Logging: JSON lines on standard output. Fields are fixed: `service edge conn tenant type id code ms` and `err` for a bug's error. Payloads
 * and credentials are never logged; keys that look like a credential are replaced as a second line of defence. Of each kind of line a minute
 * gets a bounded number (`line-bound.ts`), so that whatever a client causes may be logged.
 */
import { pino } from 'pino';
import { LineBound } from './line-bound.ts';

/** The fields a line may carry besides its sentence. */
export interface LogFields {
  readonly edge?: string;
  readonly conn?: string | number;
  readonly tenant?: string;
  readonly type?: string;
  readonly id?: string;
  /** The account on whose behalf. */
  readonly by?: string;
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
  /** Only where it is not `main`. */
  readonly journal?: string;
  readonly err?: unknown;
}

/** Writes one line. The sentence is for the operator. */
export type LogWriter = (sentence: string, fields?: LogFields) => void;

/** What the rest of the system sees of the log. */
export interface Log {
  readonly debug: LogWriter;
  readonly info: LogWriter;
  readonly warn: LogWriter;
  readonly error: LogWriter;
  readonly fatal: LogWriter;
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

/** The records of a run: its log lines and its runnable call (Saga protocol page, 5.7 and 5.8). Pure. */
import type { RunnableCall, RunnableLog } from '@polyedge/contracts/bus/runnables';
import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { isObject } from '@polyedge/saga/elements';
import type { RunRequest, RunResult } from './run.ts';
import { storable, storableText } from './storable.ts';
import { digestId } from './writing.ts';

/** The text and values of a log line. */
export type LogLine = Pick<RunnableLog, 'message' | 'args'>;

/** Times of a run in milliseconds since 1970, and what it used. */
export type RunCost = Pick<RunnableCall, 'startedAt' | 'logCount' | 'cpuMs' | 'memoryBytes'>;

/** Parses a log line of a script, as the sandbox wrote it; without values and characters that cannot be stored. */
export function lineOf(json: string): LogLine | undefined {
  const parsed = parseJson(json);
  const line = parsed.ok ? parsed.value : parsed.read;
  if (!isObject(line) || typeof line.message !== 'string') return undefined;
  const args: Json[] = parsed.ok && Array.isArray(line.args) ? line.args.slice(0, 20).map(storable) : [];
  return { message: storableText(line.message.slice(0, 65_536)), args };
}

/** A log line as it was written. */
export interface WrittenLine {
  /** Of the line in the run, from 1: with it the record's id is the same in every repeat of the run, and differs between lines. */
  readonly number: number;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly level: RunnableLog['level'];
  readonly line: LogLine;
}

/** The record of a run's log line. */
export function logRecord(
  { runnable, call, testData }: RunRequest,
  { number, at, level, line }: WrittenLine,
  version: string | undefined,
): RunnableLog {
  return {
    id: digestId(call, 'log', String(number)),
    runnableType: runnable.plural,
    runnable: runnable.id,
    call,
    level,
    ...line,
    at,
    ...(version === undefined ? {} : { version }),
    ...(testData ? { testData } : {}),
  };
}

/** The runnable call of a run that has ended, or was rejected. @param ms how long it took */
export function callRecord(
  { runnable, call, context, parentCall, testData }: RunRequest,
  { error }: RunResult,
  cost: RunCost,
  { ms, version }: { readonly ms: number; readonly version: string | undefined },
): RunnableCall {
  return {
    id: call,
    runnableType: runnable.plural,
    runnable: runnable.id,
    name: storableText(runnable.name.slice(0, 512)),
    ...(version === undefined ? {} : { version }),
    ...(runnable.path === undefined ? {} : { path: runnable.path }),
    ...cost,
    finishedAt: cost.startedAt + Math.round(ms),
    success: error === null,
    error: error === null ? null : { message: storableText(error.message), stack: storableText(error.stack) },
    context,
    creator: { type: runnable.plural, id: runnable.id },
    ...(parentCall === undefined ? {} : { parentCall }),
    ...(testData ? { testData } : {}),
  };
}

/**
 * Messages between the service and a process of isolates. The process runs untrusted code, so all its messages are validated here first; it
 * never receives a credential, and of a tenant only the data of its runs.
 */
import { check, type Static, T } from '@polyedge/contracts/schema';

/** Limits of one run; a run that breaks one ends as a failed call that names the limit. */
export interface RunLimits {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly memoryMb: number;
  readonly logLines: number;
  readonly logBytes: number;
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly resultBytes: number;
}

export type Limit = 'wall clock' | 'cpu' | 'memory' | 'log' | 'calls' | 'calls per second' | 'result' | 'timers';

export type ToProcess =
  | {
      readonly to: 'run';
      readonly run: number;
      /** Runs with the same key may use the same isolate, one after the other. */
      readonly key: string;
      /** Shown in stack traces. */
      readonly file: string;
      /** An expression that evaluates to a function; the runnable starts in its second line. */
      readonly source: string;
      /** JSON of the parameters. */
      readonly args: string;
      readonly kind: 'event' | 'http';
      /** The value of `Runnable.current`. */
      readonly current: Readonly<Record<string, unknown>>;
      /** Installed packages by name, as the hash of their bundle. */
      readonly packages: Readonly<Record<string, string>>;
      readonly limits: RunLimits;
    }
  | { readonly to: 'settle'; readonly run: number; readonly call: number; readonly good: boolean; readonly json: string }
  | { readonly to: 'bundle'; readonly hash: string; readonly code: string };

const Text = T.String({ maxLength: 16_384 });
const RunNumber = T.Integer({ minimum: 1 });
const LimitSchema = T.Unsafe<Limit>(T.String({ maxLength: 32 }));

const Ending = T.Union([T.Literal('stuck'), T.Literal('catastrophe'), T.Literal('memory')]);
/** Why a process exits. */
export type Ending = Static<typeof Ending>;

const FromProcess = T.Union([
  T.Object({ from: T.Literal('ready') }),
  T.Object({ from: T.Literal('ending'), why: Ending }),
  T.Object({
    from: T.Literal('call'),
    run: RunNumber,
    call: T.Integer({ minimum: 1 }),
    name: T.String({ maxLength: 64 }),
    json: T.String({ maxLength: 8 * 1024 * 1024 }),
  }),
  T.Object({
    from: T.Literal('log'),
    run: RunNumber,
    level: T.Union([T.Literal('log'), T.Literal('info'), T.Literal('warn'), T.Literal('error'), T.Literal('debug')]),
    json: T.String({ maxLength: 512 * 1024 }),
  }),
  T.Object({
    from: T.Literal('stat'),
    run: RunNumber,
    kind: T.Union([T.Literal('count'), T.Literal('histogram'), T.Literal('gauge'), T.Literal('set')]),
    name: T.String({ maxLength: 128 }),
    value: T.Number(),
  }),
  T.Object({
    from: T.Literal('done'),
    run: RunNumber,
    outcome: T.Union([
      T.Object({
        is: T.Literal('returned'),
        response: T.Optional(
          T.Object({
            status: T.Integer({ minimum: 100, maximum: 599 }),
            headers: T.Record(T.String({ maxLength: 256 }), T.String({ maxLength: 8192 })),
            body: T.String(),
          }),
        ),
      }),
      T.Object({ is: T.Literal('threw'), name: Text, message: Text, stack: Text }),
      T.Object({ is: T.Literal('broke'), limit: LimitSchema }),
    ]),
    cpuMs: T.Number({ minimum: 0 }),
    memoryBytes: T.Integer({ minimum: 0 }),
  }),
]);
export type FromProcess = Static<typeof FromProcess>;
export type Ended = Extract<FromProcess, { readonly from: 'done' }>;
export type RunOutcome = Ended['outcome'];

export const fromProcess = check(FromProcess);

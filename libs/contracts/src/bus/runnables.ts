/**
 * Reports of runners of Saga scripts and jobs. A runner sends each report to any saga-edge, which stores it as a resource; the change feed
 * then delivers it to the joined sockets on all replicas. A report may be sent again: its id makes it idempotent.
 */
import { defineRequest } from '../channel.ts';
import { JsonObjectSchema, JsonSchema } from '../element.ts';
import { type Static, T } from '../schema.ts';

const Id = T.String({ minLength: 1, maxLength: 256 });
const RunnableType = T.Union([T.Literal('scripts'), T.Literal('jobs')]);
export type RunnableType = Static<typeof RunnableType>;

/** One execution that has ended. Times in milliseconds since 1970. (Saga protocol, Runnable authoring: performance, errors, context.) */
export const RunnableCall = T.Object({
  id: Id,
  runnableType: RunnableType,
  runnable: Id,
  version: T.Optional(Id),
  name: T.Optional(T.String({ maxLength: 512 })),
  path: T.Optional(T.String({ maxLength: 512 })),
  startedAt: T.Integer(),
  finishedAt: T.Integer(),
  success: T.Boolean(),
  error: T.Union([T.Object({ message: T.String(), stack: T.String() }), T.Null()]),
  logCount: T.Integer({ minimum: 0 }),
  context: JsonObjectSchema,
  creator: T.Object({ type: T.String({ maxLength: 32 }), id: T.Optional(Id) }),
  parentCall: T.Optional(Id),
  testData: T.Optional(T.Boolean()),
  /** Resources used: CPU milliseconds, and the peak memory of its isolate. */
  cpuMs: T.Optional(T.Number({ minimum: 0 })),
  memoryBytes: T.Optional(T.Integer({ minimum: 0 })),
});
export type RunnableCall = Static<typeof RunnableCall>;

/** One line of `console` output of an execution whose runnable has logging enabled; logs come before the call they belong to. */
export const RunnableLog = T.Object({
  id: Id,
  runnableType: RunnableType,
  runnable: Id,
  call: Id,
  version: T.Optional(Id),
  level: T.Union([T.Literal('log'), T.Literal('info'), T.Literal('warn'), T.Literal('error'), T.Literal('debug')]),
  message: T.String({ maxLength: 65_536 }),
  args: T.Array(JsonSchema, { maxItems: 100 }),
  at: T.Integer(),
  testData: T.Optional(T.Boolean()),
});
export type RunnableLog = Static<typeof RunnableLog>;

export const reportRunnable = defineRequest({
  address: 'pe.cmd.saga.report-runnable.v1.{tenant}',
  summary: 'A finished call or a log line of a Saga script or job. Answered once it is stored; repeating an id has no effect.',
  request: T.Object({
    /** The data scope of the tenant that Saga works in. */
    defaultScope: T.String({ minLength: 1, maxLength: 512 }),
    report: T.Union([T.Object({ call: RunnableCall }), T.Object({ log: RunnableLog })]),
  }),
  reply: T.Object({}),
  errors: ['too-large'],
});

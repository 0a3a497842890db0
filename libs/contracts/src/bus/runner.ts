/** Requests of saga-edge to a runner of Saga's code: call an HTTP script, or start a run now. Work that must survive a crash comes through the journal. */
import { defineRequest, defineSignal } from '../channel.ts';
import { JsonSchema } from '../element.ts';
import { T } from '../schema.ts';

const Id = T.String({ minLength: 1, maxLength: 256 });
const Texts = T.Record(T.String(), T.String());

/** The most bytes in the body of a call of an HTTP script, and in its answer. */
export const MAX_SCRIPT_BODY = 1024 * 1024;

export const runnerCall = defineRequest({
  address: 'pe.cmd.runner.call.v1.{tenant}',
  summary:
    'Runs an HTTP script and returns its answer. Asked again only if nothing was done (`busy`): any other failure is returned to the caller.',
  request: T.Object({
    script: Id,
    method: T.String({ maxLength: 16 }),
    path: T.String({ maxLength: 4096 }),
    query: Texts,
    headers: Texts,
    /** Text if it is UTF-8, else base64. */
    body: T.String({ maxLength: 2 * MAX_SCRIPT_BODY }),
    encoding: T.Union([T.Literal('utf8'), T.Literal('base64')]),
    /** The calling user; undefined without a token. */
    user: T.Optional(T.String({ maxLength: 512 })),
    address: T.String({ maxLength: 64 }),
  }),
  reply: T.Object({
    status: T.Integer({ minimum: 100, maximum: 599 }),
    headers: Texts,
    body: T.String(),
    encoding: T.Union([T.Literal('utf8'), T.Literal('base64')]),
    /** The runnable call that produced the answer. */
    call: Id,
  }),
  errors: ['not-found', 'limited'],
});

export const runnerRun = defineRequest({
  address: 'pe.cmd.runner.run.v1.{tenant}',
  summary: 'Starts a script or job now. Answered once it is queued, with the id of its future runnable call.',
  request: T.Object({
    type: T.Union([T.Literal('scripts'), T.Literal('jobs')]),
    id: Id,
    /** The parameters of a script. */
    args: T.Array(JsonSchema, { maxItems: 8 }),
    testData: T.Boolean(),
    /** A run that waited at a runner that ends, which had answered for it: it keeps its call and its time, in milliseconds since 1970. */
    left: T.Optional(T.Object({ call: Id, at: T.Integer(), scheduled: T.Boolean() })),
  }),
  reply: T.Object({ call: Id }),
  errors: ['not-found', 'limited', 'conflict'],
});

export const runnerPackages = defineRequest({
  address: 'pe.cmd.runner.packages.v1.{tenant}',
  summary: 'Asks a runner whether npm packages are installed.',
  request: T.Object({}),
  reply: T.Object({ installs: T.Boolean() }),
  errors: [],
});

export const runnerAlive = defineSignal({
  address: 'pe.sig.runner.alive.v1',
  summary: 'The heartbeat of a working runner, every second.',
  body: T.Object({
    instance: T.String({ maxLength: 64 }),
    packages: T.Boolean(),
    /** The organizations that it works for; undefined from older versions, which do not say. */
    tenants: T.Optional(T.Array(T.String({ maxLength: 128 }), { maxItems: 10_000 })),
  }),
});

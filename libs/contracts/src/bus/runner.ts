/** What saga-edge asks of a runner of Saga's code: a call of an HTTP script, and a run now. What has to survive a kill comes over the journal. */
import { defineRequest, defineSignal } from '../channel.ts';
import { JsonSchema } from '../element.ts';
import { T } from '../schema.ts';

const Id = T.String({ minLength: 1, maxLength: 256 });
const Texts = T.Record(T.String(), T.String());

/** Bytes of the body of a call of an HTTP script, and of its answer. */
export const MAX_SCRIPT_BODY = 1024 * 1024;

export const runnerCall = defineRequest({
  address: 'pe.cmd.runner.call.v1.{tenant}',
  summary: 'Runs an HTTP script with one call and gives its answer. Not repeated by anybody: who calls is told when it failed.',
  request: T.Object({
    script: Id,
    method: T.String({ maxLength: 16 }),
    path: T.String({ maxLength: 4096 }),
    query: Texts,
    headers: Texts,
    /** Text if it is UTF-8, else base64. */
    body: T.String({ maxLength: 2 * MAX_SCRIPT_BODY }),
    encoding: T.Union([T.Literal('utf8'), T.Literal('base64')]),
    /** Who calls; undefined without a token. */
    user: T.Optional(T.String({ maxLength: 512 })),
    address: T.String({ maxLength: 64 }),
  }),
  reply: T.Object({
    status: T.Integer({ minimum: 100, maximum: 599 }),
    headers: Texts,
    body: T.String(),
    encoding: T.Union([T.Literal('utf8'), T.Literal('base64')]),
    /** The runnable call that made it. */
    call: Id,
  }),
  errors: ['not-found', 'limited'],
});

export const runnerRun = defineRequest({
  address: 'pe.cmd.runner.run.v1.{tenant}',
  summary: 'Starts a script or job now. Answered when it waits for its turn, with the id that its runnable call will have.',
  request: T.Object({
    type: T.Union([T.Literal('scripts'), T.Literal('jobs')]),
    id: Id,
    /** The parameters of a script. */
    args: T.Array(JsonSchema, { maxItems: 8 }),
    testData: T.Boolean(),
  }),
  reply: T.Object({ call: Id }),
  errors: ['not-found', 'limited', 'conflict'],
});

export const runnerAlive = defineSignal({
  address: 'pe.sig.runner.alive.v1',
  summary: 'A runner is there and works; told every second.',
  body: T.Object({ instance: T.String({ maxLength: 64 }), packages: T.Boolean() }),
});

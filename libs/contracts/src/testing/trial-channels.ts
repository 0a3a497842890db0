/** Channels for tests of the bus itself; not in the catalogue. */
import { defineEvent, defineRequest, defineSignal } from '../channel.ts';
import { T } from '../schema.ts';

export const trialEcho = defineRequest({
  address: 'pe.cmd.trial.echo.v1.{tenant}',
  summary: 'Echoes the request.',
  request: T.Object({ text: T.String(), times: T.Optional(T.Integer()) }),
  reply: T.Object({ text: T.String(), by: T.String() }),
  errors: ['not-found'],
});

export const trialHappened = defineEvent({
  address: 'pe.evt.trial.happened.v1.{key}',
  summary: 'Something happened.',
  body: T.Object({ n: T.Integer() }),
});

export const trialTold = defineSignal({
  address: 'pe.sig.trial.told.v1.{tenant}',
  summary: 'Tells a number.',
  body: T.Object({ n: T.Integer() }),
});

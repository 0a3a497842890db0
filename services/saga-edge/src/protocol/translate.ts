import type { FullChange } from '@polyedge/contracts/change';
import { toDocument, toMessage, toProperty } from '@polyedge/saga/elements';
import { isQuiet } from '@polyedge/saga/run-mark';
import type { View } from '@polyedge/session/session';
import type { SagaOut } from './codec.ts';
import { INCOMING } from './joins.ts';
import { offsetText, plainShape } from './recovery.ts';

/** The event of a change in a view of `joins.ts`. */
export function translate(change: FullChange, view: View): SagaOut | undefined {
  const { shape, hasOffset } = plainShape(view.shape);
  const event = eventOf(change, shape);
  return event === undefined || !hasOffset ? event : { ...event, offset: offsetText(change) };
}

function eventOf(change: FullChange, shape: string): Extract<SagaOut, { event: string }> | undefined {
  const { state, action, origin } = change;
  switch (shape) {
    case 'property':
      if (isQuiet(origin)) return undefined;
      // Writes of other protocols have no Saga creator.
      return {
        event: '/properties',
        body: toProperty(state, origin.protocol === 'saga' ? undefined : { type: origin.way === 'socket' ? 'socket' : 'rest' }),
      };
    case 'npm':
      return { event: '/npm_packages', body: state.deleted ? { ...toDocument(state), deleted: true } : toDocument(state) };
  }
  // Messages, calls, logs and versions are sent only when they are created.
  if (action !== 'create') return undefined;
  if (shape.startsWith(INCOMING)) return { event: '/messages/incoming', body: toMessage(state, shape.slice(INCOMING.length)) };
  switch (shape) {
    case 'outgoing':
      return { event: '/messages/outgoing', body: toMessage(state) };
    case 'messages':
      return { event: '/messages', body: toMessage(state) };
    case 'call':
      return { event: '/runnable_calls', body: toDocument(state) };
    case 'log':
      return { event: '/runnable_logs', body: toDocument(state, false) };
    case 'version':
      return { event: '/runnable_versions', body: toDocument(state) };
    default:
      return undefined;
  }
}

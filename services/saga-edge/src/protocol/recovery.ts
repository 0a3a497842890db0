/** The state from which a Saga socket can be resumed (Socket.IO's connection state recovery), and the offsets in its events. */
import type { SagaSessionState } from '@polyedge/contracts/bus/recovery';
import { isObject } from '@polyedge/saga/elements';

/** A position in the journal: everything up to it has reached the client. */
export interface Offset {
  readonly seq: number;
  readonly epoch: string;
}

/** The state of a session that a client resumes. */
export interface Restored extends SagaSessionState {
  readonly after: Offset;
}

/** The query of a socket whose client can resume its session (edge-kit, `socketio-listener.ts`). */
export const supportsRecovery = (query: Readonly<Record<string, string>>): boolean => query.recovery === 'true';

/** The event that sends a client its first offset, so that it can also resume a session without any events. */
export const OFFSET_EVENT = 'offset';

/** Suffix of a view's shape: its events contain an offset. No id contains NUL. */
const WITH_OFFSET = '\0offset';

export const withOffset = (shape: string): string => shape + WITH_OFFSET;

export const plainShape = (shape: string): { readonly shape: string; readonly hasOffset: boolean } =>
  shape.endsWith(WITH_OFFSET) ? { shape: shape.slice(0, -WITH_OFFSET.length), hasOffset: true } : { shape, hasOffset: false };

export const offsetText = ({ seq, epoch }: Offset): string => `${seq}.${epoch}`;

export function offsetOf(text: string): Offset | undefined {
  const found = /^(\d{1,15})\.(\S{1,128})$/.exec(text);
  return found?.[2] === undefined ? undefined : { seq: Number(found[1]), epoch: found[2] };
}

export const isParting = (state: unknown): state is SagaSessionState =>
  isObject(state) && typeof state.token === 'string' && Array.isArray(state.rooms);

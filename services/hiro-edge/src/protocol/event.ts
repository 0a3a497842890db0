/** Events: what a change looks like on events-ws and in REST replay (HIRO WS API, Responses). */
import type { FullChange } from '@polyedge/contracts/change';
import type { Document } from '@polyedge/query/document';

export type EventType =
  | 'CREATE'
  | 'UPDATE'
  | 'REPLACE'
  | 'DELETE'
  | 'CONNECT'
  | 'DISCONNECT'
  | 'WRITE_TIMESERIES'
  | 'WRITE_BLOB'
  | 'DELETE_BLOB';

/** The event of a change, or undefined for one that HIRO never shows. `legacy` adds `identity` (HIRO 6). */
export function toEvent(_change: FullChange, _shape: { readonly delta: boolean; readonly legacy?: boolean }): object | undefined {
  return undefined;
}

/** What an event filter is evaluated on. */
export function eventDocument(change: FullChange): Document {
  return change.state;
}

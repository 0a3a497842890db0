import type { JsonObject } from './json.ts';

/** When, by whom and through which application something happened. `on` is in milliseconds since 1970. */
export interface DocumentStamp {
  readonly on: number;
  readonly by: string;
  readonly app: string;
}

/** What filters are evaluated against: the shape of an element, without a dependency on the contracts that define it. */
export interface Document {
  readonly id: string;
  readonly kind: 'vertex' | 'edge';
  readonly type: string;
  readonly scope: string;
  readonly xid?: string | undefined;
  readonly version: number;
  readonly seq: number;
  readonly deleted: boolean;
  readonly created: DocumentStamp;
  readonly modified: DocumentStamp;
  readonly attributes: JsonObject;
  readonly out?: string | undefined;
  readonly in?: string | undefined;
  readonly outType?: string | undefined;
  readonly inType?: string | undefined;
  /** The action of the change that led to this state (`create`, `delete` …); set only when a change is evaluated, never in a stored element. */
  readonly action?: string | undefined;
}

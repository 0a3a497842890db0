/** What a client's body may write: from HIRO attributes to the parts of the store's operations (HIRO Graph API, attributes). */
import type { Element } from '@polyedge/contracts/element';
import type { Failure } from '@polyedge/contracts/errors';
import type { JsonObject } from '@polyedge/query/json';
import type { ListEdit } from './lists.ts';

export type Intent = 'create' | 'update' | 'replace';

export interface WriteRules {
  readonly intent: Intent;
  /** The time of the request in milliseconds: `created` of new list elements. */
  readonly at: number;
  /** Whether names without `ogit/` or `/` in front are accepted. */
  readonly names: 'lenient' | 'strict';
  /** Whether `ogit/_organization` may be written; it is ignored otherwise. */
  readonly admin?: boolean;
}

/** The parts of an operation. `create` and `replace` use `attributes`, `update` uses `set`, `put`, `unset`. */
export interface Write {
  /** The wanted id, external id, scope (create and createIfNotExists only). */
  readonly id?: string;
  readonly xid?: string;
  readonly scope?: string;
  readonly attributes: JsonObject;
  readonly set: JsonObject;
  readonly put: readonly { readonly path: string[]; readonly value: JsonObject[string] }[];
  readonly unset: readonly string[];
  /** `+attr` and `-attr`: need the current element, see `editLists`. */
  readonly edits: readonly ListEdit[];
  /** Attributes that are fixed after create and were sent again: another value in the element is a 400. */
  readonly fixed: Fixed;
}

export interface Fixed {
  readonly type?: string;
  readonly xid?: string | null;
  readonly scope?: string;
}

/** A refused body: `errors` for HIRO's validation result. */
export interface Rejection extends Failure {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export type Checked = { readonly ok: true; readonly value: Write } | { readonly ok: false; readonly failure: Rejection };

export function fromBody(_body: unknown, _rules: WriteRules): Checked {
  return { ok: false, failure: { code: 'internal', errors: [], warnings: [] } };
}

/** What is wrong with sending these fixed attributes to this element; empty when they are as they were. */
export function fixedViolations(_fixed: Fixed, _element: Element): readonly string[] {
  return [];
}

/** The `error` member of HIRO's answer to a rejected body. */
export function validationError(rejection: Rejection): JsonObject {
  return { code: 400, message: 'validation failed', result: { errors: rejection.errors, warnings: rejection.warnings } };
}

import type { Failure } from '@polyedge/contracts/errors';
import { type SagaError, toError } from '@polyedge/saga/errors';

/** The result of a route: 200 is the only success, everything else an error object (Saga protocol page, 2.1). */
export type Reply =
  | { readonly ok: true; readonly body: unknown; readonly link?: string | undefined }
  | { readonly ok: false; readonly error: SagaError };

export const ok = (body: unknown, link?: string): Reply => ({ ok: true, body, link });
export const refused = (error: SagaError): Reply => ({ ok: false, error });
export const failure = (of: Failure): Reply => refused(toError(of));

import type { Role } from './permissions.ts';

export interface SagaSettings {
  /** 0: a socket may stay unauthenticated. */
  readonly authTimeoutMs: number;
  /** Whether messages are also sent under the name that the Unity client listens to. */
  readonly legacyMessages: boolean;
  /** Whether users may read and write below their own path without a role that says so. */
  readonly selfAccess: boolean;
  readonly disconnectOnTokenExpiry: boolean;
  /** Joins of one socket; the next is answered 429. */
  readonly maxJoins: number;
  /** Messages at work at once; more of them wait. */
  readonly maxInFlight: number;
  /** Messages that wait for earlier ones; the next is answered 429. */
  readonly maxWaiting: number;
  /** The roles of a tenant, as they are now. */
  readonly rolesOf: (tenant: string) => readonly Role[];
}

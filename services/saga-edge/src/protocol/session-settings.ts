import type { Role } from './permissions.ts';

export interface SagaSettings {
  /** 0: a socket may stay unauthenticated. */
  readonly authTimeoutMs: number;
  /** Whether messages are also sent under the name that the Unity client listens to. */
  readonly legacyMessages: boolean;
  /** Whether users may read and write below their own path without a role that allows it. */
  readonly selfAccess: boolean;
  readonly disconnectOnTokenExpiry: boolean;
  /** Maximum joins of one socket; the next is answered with 429. */
  readonly maxJoins: number;
  /** Maximum concurrent messages; further ones wait. */
  readonly maxInFlight: number;
  /** Maximum waiting messages; the next is answered with 429. */
  readonly maxWaiting: number;
  /** The current roles of a tenant. */
  readonly rolesOf: (tenant: string) => readonly Role[];
}

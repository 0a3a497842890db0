/** What the sessions of one edge share. */
import type { Rotation } from './rotation.ts';

/** What ordinary clients may do; the defaults are the original's. */
export interface Policy {
  /** Whether clients in the group `public`, which is to say anybody, may notify others. Default true. */
  readonly publicMayNotify: boolean;
  /** Whether a client may notify only members of its own group. Default false. */
  readonly onlyOwnGroup: boolean;
  /** Whether a notification that is not allowed is answered by its callback all the same. Default false. */
  readonly callbackOnDenial: boolean;
  /** Connections of one user on this replica; the next one is closed. Undefined: any number, as in the original. */
  readonly maxPerUser: number | undefined;
  /** Connections in the group `public` on this replica. Undefined: any number. */
  readonly maxPublic: number | undefined;
}

/** What sessions count beside the driver. Numbers only. */
export type JssocketCounts = {
  /** Events that were sent to a core, and those sent to a further one. */
  asked: number;
  askedAgain: number;
  /** Logins that no core answered in time. */
  abandoned: number;
  /** Late second answers that were not passed on. */
  swallowed: number;
  /** Events that the sender may not send. */
  denied: number;
  /** Events of cores and publishers that could not be understood. */
  ignored: number;
};

export interface JssocketSettings {
  readonly tenant: string;
  /** Eight hex digits: the first part of the connection ids of this edge. */
  readonly tag: string;
  readonly rotation: Rotation;
  readonly policy: Policy;
  readonly counts: JssocketCounts;
  /** The handshake carried the secret. */
  readonly trusted: boolean;
  /** How long after an answer a client's `client_connect` is sent to a core again; 0: never. */
  readonly recheckMs: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  /** Told what an operator should know about an event that a core or publisher got wrong. */
  note(sentence: string, connection: string): void;
}

/** Settings shared by the sessions of one edge. */
import type { Rotation } from './rotation.ts';

/** What ordinary clients may do; the defaults are the original's. */
export interface Policy {
  /** Whether clients in the group `public`, that is anybody, may notify others. Default true. */
  readonly publicMayNotify: boolean;
  /** Whether a client may notify only members of its own group. Default false. */
  readonly onlyOwnGroup: boolean;
  /** Whether the callback of a notification that is not allowed is still sent. Default false. */
  readonly callbackOnDenial: boolean;
  /** Connections of one user on this replica; a further one is closed. Unlimited if undefined, as in the original. */
  readonly maxPerUser: number | undefined;
  /** Connections in the group `public` on this replica. Unlimited if undefined. */
  readonly maxPublic: number | undefined;
}

/** Counters of the sessions, in addition to the driver's. Their names are those of metrics. */
export type JssocketCounts = {
  /** Events sent to a first core, and those sent to another one. */
  asked: number;
  askedAgain: number;
  /** Logins not answered in time. */
  abandoned: number;
  /** Late second answers that were dropped. */
  swallowed: number;
  /** Events that the sender was not allowed to send. */
  denied: number;
  /** Invalid events of cores and publishers. */
  ignored: number;
};

export interface JssocketSettings {
  readonly tenant: string;
  /** Eight hex digits: the first part of the connection ids of this edge. */
  readonly tag: string;
  readonly rotation: Rotation;
  readonly policy: Policy;
  readonly counts: JssocketCounts;
  /** Whether the handshake carried the secret. */
  readonly trusted: boolean;
  /** How long after an answer a client's `client_connect` is sent to a core again; 0: never. */
  readonly recheckMs: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  /** Reports an invalid event of a core or publisher to the operator. */
  note(sentence: string, connection: string): void;
}

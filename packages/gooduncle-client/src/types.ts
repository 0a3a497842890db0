/** The public types of the package. */

/** A resource as the server sends it: its fields and its id. */
export type Resource<Fields> = Readonly<Fields> & { readonly id: string };

type Scalar = string | number | bigint | boolean | null;
type Operators<Value> = {
  readonly $eq?: Value | null;
  readonly $ne?: Value | null;
  readonly $in?: readonly (Value | null)[];
  readonly $nin?: readonly (Value | null)[];
  readonly $gt?: Value;
  readonly $gte?: Value;
  readonly $lt?: Value;
  readonly $lte?: Value;
  readonly $exists?: boolean;
  readonly $contains?: Value extends readonly (infer Item)[] ? Item : string;
  readonly $startsWith?: string;
};

/** Selects resources: all conditions must match. `null` matches null or absent; a name with dots refers to a value inside objects. */
export type Criteria<Fields> = {
  readonly [Name in keyof Fields]?: Fields[Name] | null | Operators<Fields[Name]>;
} & {
  readonly id?: string | Operators<string>;
  /** Only resources that have not changed after this version. */
  readonly _version?: number;
  readonly $and?: readonly Criteria<Fields>[];
  readonly $or?: readonly Criteria<Fields>[];
  readonly $not?: Criteria<Fields>;
  readonly [path: `${string}.${string}`]: Scalar | object;
};

/** One entry of the server's `errors`. `reason` is for programs, `message` for people; `field` is a path into the request. */
export interface Problem {
  readonly field: string | null;
  readonly reason: string;
  readonly message: string;
  readonly expected?: unknown;
}

/**
 * Why there is no result. The first five are the server's codes. The others are the client's own: `unreachable`: not sent, or a read that
 * was not answered in time; nothing was done. `unknown`: a write that was sent and not answered, or that failed inside the server; it may
 * have been carried out. `busy`: too many requests are waiting. `closed`: the client was closed before the request was sent.
 */
export type FailureCode = 'forbidden' | 'not found' | 'bad request' | 'slow down' | 'error' | 'unreachable' | 'unknown' | 'busy' | 'closed';

export interface Failure {
  readonly ok: false;
  readonly code: FailureCode;
  /** In one sentence. */
  readonly message: string;
  readonly problems: readonly Problem[];
}

/** Expected failures are values: no method of the client rejects because of the server or the network. */
export type Result<Value> = ({ readonly ok: true } & Value) | Failure;

export interface Created<Row> {
  readonly resource: Row;
  readonly version: number;
}

export interface Found<Row> {
  readonly rows: readonly Row[];
  /** The commit at which the rows were read; undefined when there are none. */
  readonly version: number | undefined;
  /** There are more rows: `after: cursor` continues the read. */
  readonly cursor: string | undefined;
}

export interface Changed {
  readonly count: number;
  /** The first hundred. */
  readonly ids: readonly string[];
  readonly version: number;
}

export interface Roles {
  readonly roles: readonly string[];
}

export interface Selection<Topic extends string, Fields> {
  readonly topic: Topic;
  /** Default: everything. */
  readonly criteria?: Criteria<Fields>;
  /** Only these fields, and the id. */
  readonly fields?: readonly (keyof Fields & string)[];
  /** Names of fields, `-name` for descending. */
  readonly sort?: readonly string[];
  readonly limit?: number;
}

export interface ReadQuery<Topic extends string, Fields> extends Selection<Topic, Fields> {
  /** The `cursor` of an earlier answer. */
  readonly after?: string;
}

export interface LiveQuery<Topic extends string, Fields> extends Selection<Topic, Fields> {
  /** At most one event per resource in this many milliseconds. */
  readonly throttle?: number;
}

/** The state of a subscription. `stale`: the rows are from before a reconnection, and are being read again. */
export type SubscriptionState = 'loading' | 'synced' | 'stale' | 'ended';

/** One step of a result. `from` and `to` are indexes in the array before and after; null if the row was or is not in it. */
export interface RowChange<Row> {
  readonly event: 'created' | 'added' | 'modified' | 'dropped' | 'deleted';
  readonly row: Row;
  readonly from: number | null;
  readonly to: number | null;
}

export interface Update<Row> {
  /** The result of a read at `version`. The array is never modified: each update has a new one. */
  readonly rows: readonly Row[];
  readonly state: SubscriptionState;
  /** The version of the rows. */
  readonly version: number;
  /** The step since the previous update; `reset` if the rows were read again, or updates were skipped. */
  readonly change: RowChange<Row> | 'reset' | undefined;
  /** Why it has ended, or why it is being read again. */
  readonly failure: Failure | undefined;
}

/**
 * `waiting`: there is no connection, and a pause precedes the next attempt. `faulty`: nothing was received for a second. `closed`: by
 * `close()`.
 */
export type ConnectionState = 'connecting' | 'open' | 'faulty' | 'waiting' | 'closed';

export interface Status {
  readonly state: ConnectionState;
  /** The session's roles, as the server last reported them. */
  readonly roles: readonly string[];
  /** How the last connection ended, in code and words. */
  readonly ended: { readonly code: number | undefined; readonly means: string } | undefined;
  /** Time until the next attempt; only while `waiting`. */
  readonly retryInMs: number | undefined;
  /** A login that was accepted before and refused after a reconnection. It is not retried. */
  readonly loginRefused: Failure | undefined;
}

/**
 * Credentials of a login. The password is hashed at once and not stored. A token that expires should be given as a function, which is
 * called for every login: the first one and those after reconnections. Later requests wait for it.
 */
export type Credentials =
  | { readonly user: string; readonly password: string }
  | { readonly user: string; readonly passwordHash: string }
  | { readonly token: string | (() => string | Promise<string>) };

/**
 * The globals of Saga's scripts and jobs, for your editor: put this file beside your scripts, or reference it with `/// <reference
 * path="saga-runnable.d.ts" />`.
 */

// biome-ignore lint/suspicious/noExplicitAny: what scripts keep has the shape that their authors gave it
type Anything = any;
type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

interface Creator {
  readonly type: '_defaults' | 'job' | 'jobs' | 'scripts' | 'rest' | 'socket';
  readonly id?: string;
}

interface Property<Value = Anything> {
  readonly _id: string;
  readonly type: 'user' | 'bot' | 'globals';
  /** null for globals. */
  readonly parent_id: string | null;
  readonly name: string;
  readonly value: Value;
  readonly sortable_id: number;
  readonly source_creator: Creator;
  readonly source_property?: { readonly id: string };
  readonly runnable_call?: string;
  readonly created_at: string;
  readonly test_data?: true;
}

interface Signal<Value = Anything> {
  readonly _id: string;
  readonly parent_type: 'user' | 'bot' | 'globals';
  readonly parent_id: string | null;
  readonly name: string;
  readonly value: Value;
  readonly source_creator: Creator;
  readonly runnable_call_id?: string;
  readonly created_at: string;
}

interface SagaUser {
  readonly _id: string;
  readonly username: string;
  readonly displayname?: string;
  readonly properties: Readonly<Record<string, Property>>;
  readonly tags: readonly string[];
  readonly test_data?: true;
}

interface SagaBot {
  readonly _id: string;
  readonly name: string;
  readonly properties: Readonly<Record<string, Property>>;
  readonly tags: readonly string[];
  readonly test_data?: true;
}

interface SagaMessage {
  readonly _id: string;
  readonly body: string;
  readonly sender_id: string;
  readonly sender_type: 'User' | 'Bot';
  readonly user_ids: readonly string[];
  readonly bot_ids: readonly string[];
  readonly context: Readonly<Record<string, Json>>;
  readonly attachments: readonly { readonly url: string; readonly mime_type: string }[];
  readonly createdAt: string;
}

/**
 * `notify: false`: no script is fired and no socket notified. `avoid_duplicate`: `add` writes nothing if the value exists already.
 * `inline_parent`: scripts fired by the write get its parent as of that moment, instead of when they run.
 */
interface WriteOptions {
  readonly notify?: boolean;
  readonly avoid_duplicate?: boolean;
  readonly inline_parent?: boolean;
  /** Always true: a script gets the property as it was written. */
  readonly inline?: boolean;
}

interface ListOptions {
  /** At most 1,000; default 100. */
  readonly limit?: number;
  readonly skip?: number;
}

interface PropertyCriteria {
  readonly name?: string;
  readonly parent_id?: string;
  readonly value?: Json;
  readonly test_data?: boolean;
}

type Written = Promise<Property>;
type Popped = Promise<Property & { readonly popped: Anything }>;

/** Of users and bots. A failure is an Error with `status_code` and, where a field is wrong, `errors`. */
interface ParentProperties {
  add(name: string, value: Json, parent_id: string, options?: WriteOptions): Written;
  add(property: { readonly name: string; readonly value: Json; readonly parent_id: string }, options?: WriteOptions): Written;
  get(name: string, parent_id: string): Promise<Property | null>;
  find(criteria: PropertyCriteria, options?: ListOptions): Promise<Property[]>;
  count(criteria: PropertyCriteria): Promise<number>;
  remove(name: string, parent_id: string): Promise<{ readonly ok: 1 }>;
  incr(name: string, parent_id: string, value: number, options?: WriteOptions): Written;
  inrc(name: string, parent_id: string, value: number, options?: WriteOptions): Written;
  mul(name: string, parent_id: string, value: number, options?: WriteOptions): Written;
  sadd(name: string, parent_id: string, value: Json, options?: WriteOptions): Written;
  rem(name: string, parent_id: string, value: Json, options?: WriteOptions): Written;
  lpush(name: string, parent_id: string, value: Json, options?: WriteOptions): Written;
  rpush(name: string, parent_id: string, value: Json, options?: WriteOptions): Written;
  lpop(name: string, parent_id: string, options?: WriteOptions): Popped;
  rpop(name: string, parent_id: string, options?: WriteOptions): Popped;
  set(name: string, parent_id: string, key: string, value: Json, options?: WriteOptions): Written;
  unset(name: string, parent_id: string, key: string, options?: WriteOptions): Written;
  hincr(name: string, parent_id: string, key: string, value: number, options?: WriteOptions): Written;
  hmul(name: string, parent_id: string, key: string, value: number, options?: WriteOptions): Written;
  hlpush(name: string, parent_id: string, key: string, value: Json, options?: WriteOptions): Written;
  hrpush(name: string, parent_id: string, key: string, value: Json, options?: WriteOptions): Written;
  hlpop(name: string, parent_id: string, key: string, options?: WriteOptions): Popped;
  hrpop(name: string, parent_id: string, key: string, options?: WriteOptions): Popped;
  hrem(name: string, parent_id: string, key: string, value: Json, options?: WriteOptions): Written;
  hsadd(name: string, parent_id: string, key: string, value: Json, options?: WriteOptions): Written;
}

/** The same for globals, which have no parent. */
type WithoutParent<Methods> = {
  [Name in keyof Methods]: Methods[Name] extends (name: string, parent_id: string, ...rest: infer Rest) => infer Result
    ? (name: string, ...rest: Rest) => Result
    : Methods[Name];
};

declare const UserProperty: ParentProperties;
declare const BotProperty: ParentProperties;
declare const GlobalProperty: Omit<WithoutParent<ParentProperties>, 'add'> & {
  add(name: string, value: Json, options?: WriteOptions): Written;
};

declare const UserSignal: { emit(name: string, value: Json, parent_id: string): Promise<Signal> };
declare const BotSignal: { emit(name: string, value: Json, parent_id: string): Promise<Signal> };
declare const GlobalSignal: { emit(name: string, value: Json): Promise<Signal> };

interface Parents<Parent> {
  find(criteria?: Readonly<Record<string, Json>>, options?: ListOptions): Promise<Parent[]>;
  findOne(criteria?: Readonly<Record<string, Json>>): Promise<Parent | null>;
  findById(id: string): Promise<Parent | null>;
}
declare const User: Parents<SagaUser>;
declare const Bot: Parents<SagaBot> & { create(bot: { readonly name: string; readonly tags?: readonly string[] }): Promise<SagaBot> };

declare const Message: {
  send(message: {
    readonly sender_id: string;
    readonly sender_type: 'User' | 'Bot';
    readonly body: string;
    readonly user_ids?: readonly string[];
    readonly bot_ids?: readonly string[];
    readonly context?: Readonly<Record<string, Json>>;
    readonly attachments?: readonly { readonly url: string; readonly mime_type: string }[];
  }): Promise<SagaMessage>;
  find(criteria?: Readonly<Record<string, Json>>, options?: ListOptions): Promise<SagaMessage[]>;
};

declare const Runnable: {
  readonly current: {
    readonly _id: string;
    readonly type: 'scripts' | 'jobs';
    readonly name: string;
    readonly path: string | null;
    readonly version: number;
    readonly runnable_call_id: string;
  };
};

/** Keys and values of a storage, which the first write creates. */
declare function storage(name: string): {
  get(key: string): Promise<Anything>;
  set(key: string, value: Json): Promise<Anything>;
  remove(key: string): Promise<boolean>;
  keys(options?: ListOptions): Promise<string[]>;
};

declare const statsd_client: {
  increment(name: string, by?: number): void;
  decrement(name: string, by?: number): void;
  gauge(name: string, value: number): void;
  histogram(name: string, value: number): void;
  timing(name: string, ms: number): void;
  set(name: string, value: number): void;
  unique(name: string, value: number): void;
};

/** An installed npm package. */
declare function require(name: string): Anything;

/** The request of an HTTP script. */
interface ScriptRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed if it is JSON or a form. */
  readonly body: Anything;
  readonly raw_body: string;
  readonly encoding: 'utf8' | 'base64';
  /** The calling user; null without a token. */
  readonly user_id: string | null;
  readonly ip: string;
}

/** The response of an HTTP script; a returned value also becomes the body. */
interface ScriptResponse {
  status(code: number): ScriptResponse;
  set(name: string, value: string): ScriptResponse;
  header(name: string, value: string): ScriptResponse;
  write(part: Anything): ScriptResponse;
  send(body?: Anything): ScriptResponse;
  json(body: Json): ScriptResponse;
  end(body?: Anything): ScriptResponse;
}

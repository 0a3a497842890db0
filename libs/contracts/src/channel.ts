/**
 * Channels: the messages between our processes. A channel is one value, which determines the static types, the compiled validators, the
 * subject and its wildcard pattern, the AsyncAPI document, the NATS permissions and the metric label.
 *
 * The generics are over the *inferred values*, computed once at the definition, not over the schema types: this keeps the type checker fast.
 */
import type { ErrorCode } from './errors.ts';
import { type Check, check, type Static, type TSchema } from './schema.ts';
import { checkAddress, type Parameters, pattern, subject } from './subject.ts';

interface ChannelDescription<Address extends string> {
  readonly address: Address;
  readonly summary: string;
  /** Whether each journal has its own channel (`inJournal`); otherwise all share one. */
  readonly perJournal: boolean;
  /** The subject of one message. */
  subject(values: Parameters<Address>): string;
  /** The subject to subscribe to; values left out match everything. */
  pattern(values: Partial<Parameters<Address>>): string;
}

/** One request, one reply; a queue group of responders shares the requests. */
export interface RequestChannel<Address extends string, Request, Reply> extends ChannelDescription<Address> {
  readonly kind: 'request';
  readonly request: Check<Request>;
  readonly reply: Check<Reply>;
  /** The failures a caller must expect besides `invalid`, `busy`, `expired`, `unavailable` and `internal`. */
  readonly errors: readonly ErrorCode[];
}

/** The types of a channel's request and reply. */
export type RequestOf<Channel> = Channel extends { readonly kind: 'request'; readonly request: Check<infer Request> } ? Request : never;
export type ReplyOf<Channel> = Channel extends { readonly kind: 'request'; readonly reply: Check<infer Reply> } ? Reply : never;

/** An event; every subscriber receives it. */
export interface EventChannel<Address extends string, Body> extends ChannelDescription<Address> {
  readonly kind: 'event';
  readonly body: Check<Body>;
}

/** A hint that may be lost without harm. */
export interface SignalChannel<Address extends string, Body> extends ChannelDescription<Address> {
  readonly kind: 'signal';
  readonly body: Check<Body>;
}

/** Any channel, without its static types; for catalogues and documents. */
export type AnyChannel =
  | {
      readonly kind: 'request';
      readonly address: string;
      readonly summary: string;
      readonly perJournal: boolean;
      readonly request: { readonly schema: TSchema };
      readonly reply: { readonly schema: TSchema };
      readonly errors: readonly ErrorCode[];
    }
  | {
      readonly kind: 'event' | 'signal';
      readonly address: string;
      readonly summary: string;
      readonly perJournal: boolean;
      readonly body: { readonly schema: TSchema };
    };

interface Defined<Address extends string> {
  readonly address: Address;
  readonly summary: string;
  readonly perJournal?: boolean;
}

function named<Address extends string>({ address, summary, perJournal = false }: Defined<Address>): ChannelDescription<Address> {
  checkAddress(address);
  return {
    address,
    summary,
    perJournal,
    subject: (values) => subject(address, values),
    pattern: (values) => pattern(address, values),
  };
}

export function defineRequest<const Address extends string, Request extends TSchema, Reply extends TSchema>(
  definition: Defined<Address> & {
    readonly request: Request;
    readonly reply: Reply;
    readonly errors: readonly ErrorCode[];
  },
): RequestChannel<Address, Static<Request>, Static<Reply>> {
  const { errors } = definition;
  return { kind: 'request', ...named(definition), request: check(definition.request), reply: check(definition.reply), errors };
}

export function defineEvent<const Address extends string, Body extends TSchema>(
  definition: Defined<Address> & { readonly body: Body },
): EventChannel<Address, Static<Body>> {
  return { kind: 'event', ...named(definition), body: check(definition.body) };
}

export function defineSignal<const Address extends string, Body extends TSchema>(
  definition: Defined<Address> & { readonly body: Body },
): SignalChannel<Address, Static<Body>> {
  return { kind: 'signal', ...named(definition), body: check(definition.body) };
}

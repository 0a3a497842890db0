/**
 * The writes of one session (delivery.md 2.6–2.7): at most one `graph.mutate` request in flight; writes that arrive meanwhile are sent
 * together afterwards, in order. An attempt whose outcome is unknown is retried with the same operation ids, so a write happens once.
 */
import { graphMutate, type MutationOutcome, type MutationRequest, type MutationResult } from '@polyedge/contracts/bus/graph';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import { restoreGiven } from '@polyedge/contracts/given-attributes';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Span } from '@polyedge/service-kit/spans';
import type { OwnOrder } from '@polyedge/session/session';
import { type Wheel, WheelTimer } from '../wheel.ts';

const MAX_REQUESTS = 500;
const MAX_BYTES = 4 * 1024 * 1024;
const ATTEMPT_MS = 2000;
/** Additional time per MiB: a large, slow write must not be retried while it is in progress. */
const ATTEMPT_MS_PER_MIB = 2000;
const RETRY_FROM_MS = 50;
const RETRY_TO_MS = 500;
/** How long a write is retried before the session receives a failure: outcome unknown, or not done. */
const GIVE_UP_MS = 60_000;

export interface PendingWrite {
  readonly id: string;
  readonly tenant: string;
  readonly defaultScope: string;
  readonly request: MutationRequest;
  readonly own: OwnOrder;
  /** Covers the write until its session receives the outcome; undefined if tracing is off. */
  readonly span?: Span | undefined;
}

export interface WriteOutcome {
  readonly write: PendingWrite;
  readonly outcome: Outcome<MutationResult>;
  /** Epoch that the seqs of the result belong to; undefined if no store answered. */
  readonly epoch: string | undefined;
}

export class Writes {
  readonly #bus: Bus;
  readonly #wheel: Wheel;
  readonly #answer: (outcome: WriteOutcome) => void;
  readonly #random: () => number;
  #waiting: PendingWrite[] = [];
  /** How many of those in front are sent one by one, because the message in which they were together was refused. */
  #alone = 0;
  #busy = false;

  /** @param answer receives the outcome of each write, in the order of `add`; every write is answered once */
  constructor(bus: Bus, wheel: Wheel, answer: (outcome: WriteOutcome) => void, random: () => number = Math.random) {
    this.#bus = bus;
    this.#wheel = wheel;
    this.#answer = answer;
    this.#random = random;
  }

  add(write: PendingWrite): void {
    this.#waiting.push(write);
    if (!this.#busy) this.#send();
  }

  #send(): void {
    const { batch, bytes } = this.#takeBatch();
    const [first] = batch;
    if (first === undefined) return;
    this.#busy = true;
    const timeoutMs = attemptMs(bytes);
    const attempt = () => void this.#attempt(batch, { first, timeoutMs, began: this.#wheel.clock.now() }, false);
    if (first.span === undefined) attempt();
    else first.span.run(attempt);
  }

  /** Writes from the front that may be sent together: same tenant and scope, within the bounds of a message. */
  #takeBatch(): { readonly batch: PendingWrite[]; readonly bytes: number } {
    const [first] = this.#waiting;
    if (first === undefined) return { batch: [], bytes: 0 };
    if (this.#waiting.length === 1 || this.#alone > 0) {
      this.#alone = Math.max(0, this.#alone - 1);
      this.#waiting.shift();
      return { batch: [first], bytes: jsonBytes(first.request) };
    }
    let bytes = 0;
    let count = 0;
    for (const { tenant, defaultScope, request } of this.#waiting) {
      if (count === MAX_REQUESTS || tenant !== first.tenant || defaultScope !== first.defaultScope) break;
      const more = jsonBytes(request);
      if (count > 0 && bytes + more > MAX_BYTES) break;
      bytes += more;
      count += 1;
    }
    return { batch: this.#waiting.splice(0, count), bytes };
  }

  /** @param unknown whether an earlier attempt may have been carried out; if so, even `busy` says nothing about the outcome */
  async #attempt(batch: readonly PendingWrite[], message: Sent, unknown: boolean): Promise<void> {
    const { first, timeoutMs, began } = message;
    const outcome = await this.#bus.request(
      graphMutate,
      graphMutate.subject({ tenant: first.tenant }),
      { defaultScope: first.defaultScope, restores: true, requests: batch.map(({ request }) => request) },
      { timeoutMs },
    );
    if (outcome.ok) {
      this.#finish(batch, outcome.value.epoch, outcome.value.outcomes);
      return;
    }
    const { code } = outcome.failure;
    if (batch.length > 1 && (code === 'invalid' || code === 'too-large')) {
      // Because of one of them; the others are no part of it. Those that an earlier attempt has carried out are answered as repeats.
      this.#waiting.unshift(...batch);
      this.#alone = batch.length;
      this.#send();
      return;
    }
    // A request that expired in a store's queue and one without a timely answer mean the same: the store is slow, and which code arrives is
    // a race. An expired request was not carried out.
    const again = code === 'unavailable' || code === 'expired' || (unknown && code === 'busy');
    const isUnknown = unknown || code === 'unavailable';
    const waitMs = RETRY_FROM_MS + this.#random() * (RETRY_TO_MS - RETRY_FROM_MS);
    if (again && this.#wheel.clock.now() + waitMs - began < GIVE_UP_MS) {
      this.#wheel.set(new WheelTimer(() => void this.#attempt(batch, message, isUnknown)), waitMs);
      return;
    }
    this.#finish(batch, undefined, undefined, again && isUnknown ? { code: 'unavailable' } : outcome.failure);
  }

  #finish(
    batch: readonly PendingWrite[],
    epoch: string | undefined,
    outcomes: readonly MutationOutcome[] | undefined,
    failure: Failure = { code: 'internal' },
  ): void {
    // The next batch is sent before the outcomes are delivered, so writes that they cause are batched behind it.
    this.#busy = false;
    this.#send();
    for (const [at, write] of batch.entries()) {
      this.#answer({ write, outcome: toOutcome(write.request, outcomes?.[at], failure), epoch });
    }
  }
}

/** What all attempts of a batch share. */
interface Sent {
  readonly first: PendingWrite;
  /** Time-out of an attempt. */
  readonly timeoutMs: number;
  /** When the first attempt began. */
  readonly began: number;
}

const attemptMs = (bytes: number): number => ATTEMPT_MS + Math.floor((bytes / 2 ** 20) * ATTEMPT_MS_PER_MIB);

function toOutcome(request: MutationRequest, outcome: MutationOutcome | undefined, failure: Failure): Outcome<MutationResult> {
  if (outcome === undefined) return { ok: false, failure };
  if (outcome.ok) return { ok: true, value: restoreGiven(request, outcome.value) };
  const { code, detail, retryAfterMs } = outcome.failure;
  return {
    ok: false,
    failure: { code, ...(detail === undefined ? {} : { detail }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  };
}

/** Estimates the length of a value as JSON without serializing it: never less than two thirds of it. */
function jsonBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return value.length * 2 + 2;
    case 'object': {
      if (value === null) return 4;
      let bytes = 2;
      if (Array.isArray(value)) for (const element of value) bytes += jsonBytes(element) + 1;
      // Every write is walked, and `for in` over its members makes no list of them.
      else for (const name in value) bytes += name.length * 2 + 4 + jsonBytes((value as Record<string, unknown>)[name]);
      return bytes;
    }
    case 'bigint':
      return value.toString().length;
    default:
      return 12;
  }
}

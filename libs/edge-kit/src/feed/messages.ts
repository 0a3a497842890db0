/** The inputs and effects of the feed machine. Plain data: a record of both is a transcript. */
import type { graphChanges, graphPosition } from '@polyedge/contracts/bus/feed';
import type { Change, FullChange } from '@polyedge/contracts/change';
import type { ReplyOf } from '@polyedge/contracts/channel';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';

/** A watermark of the publisher: the seqs that it published, and for each the keys of the interests that it belongs to. */
export interface Head {
  readonly epoch: string;
  readonly fence: number;
  readonly from: number;
  readonly to: number;
  /** `keys[0]` belongs to `from`. */
  readonly keys: readonly (readonly number[])[];
}

/** The machine's timers: for the next step of filling a gap, and for the pause of the backfill. */
export type FeedTimer = 'gap' | 'backfill';

export type FeedInput =
  /** Once, first: the heads are subscribed to. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'head'; readonly head: Head }
  | { readonly kind: 'change'; readonly change: Change; readonly bytes: number }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** The outcome of a `flush`. */
  | { readonly kind: 'flushed'; readonly ok: boolean }
  | { readonly kind: 'position'; readonly id: number; readonly outcome: Outcome<ReplyOf<typeof graphPosition>> }
  | { readonly kind: 'range'; readonly id: number; readonly outcome: Outcome<ReplyOf<typeof graphChanges>> }
  | { readonly kind: 'changes'; readonly id: number; readonly outcome: Outcome<ReplyOf<typeof graphChanges>> }
  | { readonly kind: 'woken'; readonly timer: FeedTimer }
  /** Arrives every `sweepMs`. */
  | { readonly kind: 'sweep' }
  /** Deliver one slice. */
  | { readonly kind: 'hand-out' }
  /** The turn of the event loop that delivered has ended. */
  | { readonly kind: 'turn-end' }
  /** `watch` and `waiter` are numbers that were not used before. */
  | { readonly kind: 'watch'; readonly watch: number; readonly interest: Interest }
  | { readonly kind: 'close'; readonly watch: number }
  /** These tenants have moved to another journal. */
  | { readonly kind: 'moved'; readonly tenants: ReadonlySet<string> }
  /** The watch's handler threw an exception. */
  | { readonly kind: 'failed'; readonly watch: number }
  | { readonly kind: 'wait'; readonly waiter: number; readonly epoch: string; readonly seq: number; readonly until: number }
  | { readonly kind: 'stop-waiting'; readonly waiter: number };

export type FeedEffect =
  /** Subscribe to the changes of an interest, with this name. */
  | { readonly do: 'subscribe'; readonly name: string; readonly interest: Interest }
  | { readonly do: 'unsubscribe'; readonly name: string }
  /** Ensure that the server knows every subscription made so far; answered by `flushed`. */
  | { readonly do: 'flush' }
  | { readonly do: 'request-position'; readonly id: number }
  | {
      readonly do: 'request-range';
      readonly id: number;
      readonly epoch: string;
      readonly after: number;
      readonly upTo: number;
      readonly interests: readonly Interest[];
    }
  | { readonly do: 'request-changes'; readonly id: number; readonly epoch: string; readonly seqs: readonly number[] }
  /** Set a timer to a random time between `ms` and `ms + spreadMs` from now. It replaces the timer of that name. */
  | { readonly do: 'wake'; readonly timer: FeedTimer; readonly ms: number; readonly spreadMs: number }
  | { readonly do: 'cancel'; readonly timer: FeedTimer }
  /** Deliver once the messages that have arrived are read. Repeated requests of a turn have no further effect. */
  | { readonly do: 'hand-out-soon' }
  | { readonly do: 'live'; readonly watch: number; readonly seq: number; readonly epoch: string }
  | { readonly do: 'deliver'; readonly watches: readonly number[]; readonly change: FullChange }
  | { readonly do: 'waits'; readonly watch: number; readonly seq: number | undefined }
  | { readonly do: 'lost'; readonly watch: number; readonly failure: Failure }
  | { readonly do: 'delivered'; readonly waiter: number; readonly reached: boolean };

export const HAND_OUT_SOON: FeedEffect = { do: 'hand-out-soon' };

/** What can happen to the feed machine, and what it asks its driver to do. Plain data: a history of both is a transcript. */
import type { graphChanges, graphPosition } from '@polyedge/contracts/bus/feed';
import type { Change, FullChange } from '@polyedge/contracts/change';
import type { ReplyOf } from '@polyedge/contracts/channel';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';

/** A progress message of the publisher: the seqs that it published, and for each the keys of the interests that it belongs to. */
export interface Head {
  readonly epoch: string;
  readonly fence: number;
  readonly from: number;
  readonly to: number;
  /** `keys[0]` belongs to `from`. */
  readonly keys: readonly (readonly number[])[];
}

/** The two timers of the machine: the next step of filling a gap, and the pause of the backfill. */
export type FeedTimer = 'gap' | 'backfill';

export type FeedInput =
  /** Once, before any other: heads are subscribed. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'head'; readonly head: Head }
  | { readonly kind: 'change'; readonly change: Change; readonly bytes: number }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** The outcome of a `flush`. */
  | { readonly kind: 'flushed'; readonly ok: boolean }
  | { readonly kind: 'position'; readonly ask: number; readonly outcome: Outcome<ReplyOf<typeof graphPosition>> }
  | { readonly kind: 'range'; readonly ask: number; readonly outcome: Outcome<ReplyOf<typeof graphChanges>> }
  | { readonly kind: 'changes'; readonly ask: number; readonly outcome: Outcome<ReplyOf<typeof graphChanges>> }
  | { readonly kind: 'woken'; readonly timer: FeedTimer }
  /** Comes every `sweepMs`. */
  | { readonly kind: 'sweep' }
  /** Hand out one slice. */
  | { readonly kind: 'hand-out' }
  /** The turn of the event loop that handed out ends. */
  | { readonly kind: 'turn-end' }
  /** `watch` is a number that was not used before; so is `waiter`. */
  | { readonly kind: 'watch'; readonly watch: number; readonly interest: Interest }
  | { readonly kind: 'close'; readonly watch: number }
  /** These tenants are in another journal from now on. */
  | { readonly kind: 'moved'; readonly tenants: ReadonlySet<string> }
  /** The watch's handler threw. */
  | { readonly kind: 'failed'; readonly watch: number }
  | { readonly kind: 'wait'; readonly waiter: number; readonly epoch: string; readonly seq: number; readonly until: number }
  | { readonly kind: 'stop-waiting'; readonly waiter: number };

export type FeedEffect =
  /** Subscribe to the changes of an interest, under its name. */
  | { readonly do: 'subscribe'; readonly name: string; readonly interest: Interest }
  | { readonly do: 'unsubscribe'; readonly name: string }
  /** Make sure that the server knows every subscription so far: `flushed`. */
  | { readonly do: 'flush' }
  | { readonly do: 'ask-position'; readonly ask: number }
  | {
      readonly do: 'ask-range';
      readonly ask: number;
      readonly epoch: string;
      readonly after: number;
      readonly upTo: number;
      readonly interests: readonly Interest[];
    }
  | { readonly do: 'ask-changes'; readonly ask: number; readonly epoch: string; readonly seqs: readonly number[] }
  /** Set a timer, in place of the one of that name, to between `ms` and `ms + spreadMs` from now, at random. */
  | { readonly do: 'wake'; readonly timer: FeedTimer; readonly ms: number; readonly spreadMs: number }
  | { readonly do: 'cancel'; readonly timer: FeedTimer }
  /** Begin to hand out when what has arrived was read. Said again, it means the same turn. */
  | { readonly do: 'hand-out-soon' }
  | { readonly do: 'live'; readonly watch: number; readonly seq: number; readonly epoch: string }
  | { readonly do: 'deliver'; readonly watches: readonly number[]; readonly change: FullChange }
  | { readonly do: 'waits'; readonly watch: number; readonly seq: number | undefined }
  | { readonly do: 'lost'; readonly watch: number; readonly failure: Failure }
  | { readonly do: 'delivered'; readonly waiter: number; readonly reached: boolean };

export const HAND_OUT_SOON: FeedEffect = { do: 'hand-out-soon' };

/**
 * The live feed as a pure machine: `handle(input, at) → effects`, without clock, randomness or I/O; `feed.ts` carries out the effects. A
 * watch receives every change of its interest after the seq at which it went live, each once, in the order of seq, whatever the bus loses,
 * or it ends with `lost` (delivery.md, section 5).
 *
 * Why this holds: heads form a chain without holes (`gap-detector.ts` closes at one), and each lists, for all its seqs, the keys of the
 * interests concerned. So an interest that is registered from position S on learns of each of its later seqs, and a listed body that did
 * not arrive as a message is fetched (`backfill.ts`). A missed message is only a cache miss, so a watch can go live at the feed's position
 * as soon as the server has acknowledged its subscription.
 */
import { isFull } from '@polyedge/contracts/change';
import { failed } from '@polyedge/contracts/errors';
import { Backfill } from './backfill.ts';
import { GapDetector } from './gap-detector.ts';
import { type FeedEffect, type FeedInput, HAND_OUT_SOON } from './messages.ts';
import { OwnChangeWaits } from './own-change-waits.ts';
import { Resequencer } from './resequencer.ts';
import { type FeedSettings, type FeedStats, newFeedStats } from './settings.ts';
import { Watchers } from './watchers.ts';

export class FeedMachine {
  readonly #stats: FeedStats = newFeedStats();
  /** Filled by all parts while an input is handled, in the order of execution. */
  readonly #effects: FeedEffect[] = [];
  readonly #resequencer: Resequencer;
  readonly #watchers: Watchers;
  readonly #backfill: Backfill;
  readonly #own: OwnChangeWaits;
  readonly #gaps: GapDetector;
  #connected: boolean;
  /** Watches may still go live in this turn. */
  #joinsLeft = true;

  /** @param at milliseconds from an arbitrary origin, never decreasing, as in `handle` */
  constructor(settings: FeedSettings, connected: boolean, at: number) {
    const stats = this.#stats;
    const effects = this.#effects;
    const resequencer = new Resequencer(settings, stats, effects);
    const watchers = new Watchers(settings, stats, effects, resequencer, connected);
    const backfill = new Backfill(settings, stats, effects, resequencer, watchers);
    const own = new OwnChangeWaits(stats, effects);
    this.#connected = connected;
    this.#resequencer = resequencer;
    this.#watchers = watchers;
    this.#backfill = backfill;
    this.#own = own;
    this.#gaps = new GapDetector({ settings, stats, effects, resequencer, watchers, backfill, own }, connected, at);
  }

  handle(input: FeedInput, at: number): readonly FeedEffect[] {
    this.#take(input, at);
    return this.#effects.splice(0);
  }

  /** The feed's position and counters. */
  stats(at: number): Readonly<FeedStats> {
    this.#stats.position = this.#gaps.position;
    this.#stats.stagedBytes = this.#resequencer.bytes;
    this.#stats.pending = this.#resequencer.pending;
    this.#stats.interests = this.#watchers.size;
    this.#stats.headAgeMs = at - this.#gaps.lastHeadAt;
    return this.#stats;
  }

  /** Whether something can be delivered in this turn. */
  get hasMore(): boolean {
    return this.#watchers.hasLost || this.#joinsLeft || (this.#resequencer.hasReady && !this.#resequencer.turnIsFull);
  }

  /** Every change up to this seq was announced. */
  get position(): number {
    return this.#gaps.position;
  }

  /** Whether everything up to `seq` of an epoch was delivered to the watches. True for an epoch that the feed has left. */
  hasDelivered(epoch: string, seq: number): boolean {
    return this.#gaps.hasLeft(epoch) || (epoch === this.#gaps.epoch && seq <= this.#own.reached);
  }

  #take(input: FeedInput, at: number): void {
    switch (input.kind) {
      case 'begin':
        this.#gaps.begin();
        break;
      case 'head':
        this.#gaps.head(input.head, at);
        break;
      case 'change': {
        const { change, bytes } = input;
        if (change.epoch === this.#gaps.epoch)
          this.#resequencer.arrive(change.seq, isFull(change) ? change : undefined, bytes, this.#gaps.position);
        break;
      }
      case 'hand-out':
        this.#handOut();
        break;
      case 'turn-end':
        this.#endTurn(at);
        break;
      case 'connected':
        this.#connected = true;
        this.#gaps.connected();
        this.#watchers.connected();
        break;
      case 'disconnected':
        this.#connected = false;
        this.#gaps.disconnected();
        this.#watchers.disconnected();
        break;
      case 'flushed':
        this.#watchers.flushed(input.ok);
        break;
      case 'position':
        this.#gaps.positionAnswered(input.id, input.outcome, at);
        break;
      case 'range':
        this.#gaps.rangeAnswered(input.id, input.outcome, at);
        break;
      case 'changes':
        this.#backfill.answered(input.id, input.outcome);
        this.#pump();
        break;
      case 'woken':
        if (input.timer === 'gap') this.#gaps.woken(at);
        else {
          this.#backfill.woken();
          this.#pump();
        }
        break;
      case 'sweep':
        this.#gaps.sweep(at);
        this.#own.sweep(at);
        this.#watchers.sweep(at);
        break;
      case 'watch':
        this.#watchers.open(input.watch, input.interest, at);
        break;
      case 'close':
        this.#watchers.close(input.watch);
        break;
      case 'moved':
        this.#watchers.loseTenants(input.tenants, failed('lost', 'the tenant was moved to another journal').failure);
        break;
      case 'failed':
        this.#stats.thrown += 1;
        this.#watchers.lose(input.watch, failed('internal').failure);
        break;
      case 'wait':
        this.#own.wait(input);
        break;
      case 'stop-waiting':
        this.#own.stopWaiting(input.waiter);
        break;
    }
  }

  /** Losses first, then new watches, then changes: a watch receives no change before it is live. */
  #handOut(): void {
    if (this.#watchers.hasLost) {
      this.#watchers.notifyLost();
      return;
    }
    if (this.#joinsLeft) {
      const { epoch, position, isOpen } = this.#gaps;
      this.#joinsLeft = epoch !== undefined && this.#watchers.join(epoch, position, isOpen);
      return;
    }
    this.#resequencer.handOut();
  }

  #endTurn(at: number): void {
    const isUnfinished = this.#joinsLeft || this.#resequencer.hasReady || this.#watchers.hasLost;
    this.#resequencer.endTurn();
    this.#joinsLeft = true;
    const { epoch, position } = this.#gaps;
    if (epoch !== undefined) this.#own.reach(epoch, this.#resequencer.deliveredTo(position));
    this.#pump();
    this.#gaps.resume(at);
    if (isUnfinished) this.#effects.push(HAND_OUT_SOON);
  }

  #pump(): void {
    const { epoch } = this.#gaps;
    if (epoch !== undefined) this.#backfill.pump(epoch, this.#connected);
  }
}

/**
 * Tenants that have come to a journal while this process ran. The feed of that journal may be behind, at a time before the tenant was copied
 * there: a watch of it begins only when the feed has passed the journal's position at the move, or it would be told of the copies.
 */
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Surroundings } from '@polyedge/service-kit/surroundings';
import type { Feed, Watch, WatchHandler } from './watch.ts';

const TIMEOUT_MS = 2000;
const RETRY_MS = 500;
/** A feed that does not get there by then is asked again. */
const PATIENCE_MS = 30_000;
const MOVED: Failure = failed('lost', 'the tenant was moved to another journal').failure;

type JournalFeed = Pick<Feed, 'watch' | 'whenDelivered'>;

/** A watch that has not begun. */
interface WaitingWatch {
  readonly interest: Interest;
  readonly handler: WatchHandler;
  watch: Watch | undefined;
}

/** Of one tenant, until the feed of its journal has passed it. */
interface Arrival {
  readonly feed: JournalFeed;
  readonly waiting: Set<WaitingWatch>;
}

export class Arrivals {
  readonly #after: Surroundings['after'];
  /** By tenant. */
  readonly #arrivals = new Map<string, Arrival>();

  constructor(after: Surroundings['after']) {
    this.#after = after;
  }

  /**
   * A tenant has moved: its watches that wait are lost.
   * @param feed of the journal where it is now; undefined if it is not open, since it will begin with the journal's position then
   * @param bus of that journal
   */
  moved(tenant: string, feed: JournalFeed | undefined, bus: Pick<Bus, 'request'>): void {
    const before = this.#arrivals.get(tenant)?.waiting ?? [];
    this.#arrivals.delete(tenant);
    if (feed !== undefined) {
      const arrival: Arrival = { feed, waiting: new Set() };
      this.#arrivals.set(tenant, arrival);
      void this.#pass(tenant, arrival, bus);
    }
    for (const one of before) one.handler.lost(MOVED);
  }

  /** Begins a watch as soon as the feed has passed the arrival of its tenant; undefined if it has, or none is known. */
  watch(interest: Interest, handler: WatchHandler): Watch | undefined {
    const waiting = this.#arrivals.get(interest.tenant)?.waiting;
    if (waiting === undefined) return undefined;
    const one: WaitingWatch = { interest, handler, watch: undefined };
    waiting.add(one);
    return {
      close: () => {
        waiting.delete(one);
        one.watch?.close();
      },
    };
  }

  /** Whether watches wait for a feed: it must stay open. */
  awaits(feed: JournalFeed): boolean {
    return [...this.#arrivals.values()].some((arrival) => arrival.feed === feed && arrival.waiting.size > 0);
  }

  /** A feed was closed, for which no watch waits: the next one of its journal begins with the journal's position then. */
  closed(feed: JournalFeed): void {
    for (const [tenant, arrival] of this.#arrivals) if (arrival.feed === feed) this.#arrivals.delete(tenant);
  }

  /** No watch begins afterwards. */
  close(): void {
    this.#arrivals.clear();
  }

  async #pass(tenant: string, arrival: Arrival, bus: Pick<Bus, 'request'>): Promise<void> {
    const { feed, waiting } = arrival;
    const isNewest = (): boolean => this.#arrivals.get(tenant) === arrival;
    while (isNewest()) {
      const position = await bus.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: TIMEOUT_MS });
      if (!position.ok) {
        await new Promise<void>((resolve) => void this.#after(RETRY_MS, resolve));
        continue;
      }
      const { epoch, seq } = position.value;
      const hasPassed = await new Promise<boolean>((resolve) => void feed.whenDelivered(tenant, epoch, seq, PATIENCE_MS, resolve));
      if (!hasPassed || !isNewest()) continue;
      this.#arrivals.delete(tenant);
      for (const one of waiting) one.watch = feed.watch(one.interest, one.handler);
    }
  }
}

/** The journal of each tenant: fetched from the directory, and again whenever it announces a change. */
import { accountsPlaced, accountsPlacements } from '@polyedge/contracts/bus/accounts';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { MAIN } from '@polyedge/contracts/journal';
import type { Bus, Placements, Subscription } from './bus.ts';
import { processSurroundings, type Surroundings } from './surroundings.ts';

type PlacementsReply = ReplyOf<typeof accountsPlacements>;
type Placed = Omit<PlacementsReply['placements'][number], 'tenant'>;

/** Never moved. */
const IN_MAIN: Placed = { journal: MAIN, since: 0 };
const TIMEOUT_MS = 2000;
const RETRY_MS = 500;

/**
 * Until the directory has answered, every tenant is assumed to be in `main`. A replica rejects a tenant that is in another journal, so an
 * unknown or outdated placement costs a request, but never gives a wrong answer.
 */
export class KnownPlacements implements Placements {
  readonly #bus: Pick<Bus, 'request' | 'subscribe' | 'onStatus'>;
  readonly #listeners = new Set<(tenants: ReadonlySet<string>) => void>();
  readonly #subscriptions: Subscription[] = [];
  #placed: ReadonlyMap<string, Placed> = new Map();
  #areAllInMain = true;
  /** Undefined until the directory has answered. */
  #version: number | undefined;
  #loading: Promise<boolean> | undefined;
  /** A change was announced since the request in flight was sent. */
  #again = false;
  readonly #after: Surroundings['after'];
  #cancelRetry: () => void = () => {};
  #stopped = false;

  constructor(bus: Pick<Bus, 'request' | 'subscribe' | 'onStatus'>, { after }: Pick<Surroundings, 'after'> = processSurroundings) {
    this.#bus = bus;
    this.#after = after;
  }

  /** Subscribes, and retries until the directory answers. Does not wait for it. */
  start(): void {
    this.#subscriptions.push(
      this.#bus.subscribe(accountsPlaced, accountsPlaced.subject({}), ({ version }) => {
        if (version !== this.#version) this.#load();
      }),
      this.#bus.onStatus((status) => {
        if (status === 'connected') this.#load();
      }),
    );
    this.#load();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** All known tenants are in `main`. */
  get areAllInMain(): boolean {
    return this.#areAllInMain;
  }

  journalOf(tenant: string): string {
    return (this.#placed.get(tenant) ?? IN_MAIN).journal;
  }

  onMoved(listener: (tenants: ReadonlySet<string>) => void): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  async refresh(): Promise<void> {
    // The reply to an earlier request may be older than this call.
    if (this.#loading !== undefined) await this.#loading;
    await this.#fetch();
  }

  #load(): void {
    this.#cancelRetry();
    if (this.#stopped) return;
    if (this.#loading !== undefined) {
      this.#again = true;
      return;
    }
    void this.#fetch().then((answered) => {
      if (this.#again) {
        this.#again = false;
        this.#load();
      } else if (!answered && !this.#stopped) this.#cancelRetry = this.#after(RETRY_MS, () => this.#load());
    });
  }

  #fetch(): Promise<boolean> {
    this.#loading ??= this.#bus.request(accountsPlacements, accountsPlacements.subject({}), {}, { timeoutMs: TIMEOUT_MS }).then((reply) => {
      this.#loading = undefined;
      if (reply.ok) this.#take(reply.value);
      return reply.ok;
    });
    return this.#loading;
  }

  #take({ version, placements }: PlacementsReply): void {
    const before = this.#placed;
    const isFirst = this.#version === undefined;
    const placed: ReadonlyMap<string, Placed> = new Map(placements.map(({ tenant, ...each }) => [tenant, each]));
    this.#version = version;
    this.#placed = placed;
    this.#areAllInMain = placements.every(({ journal }) => journal === MAIN);
    const hasMoved = (tenant: string): boolean => {
      const [old = IN_MAIN, now = IN_MAIN] = [before.get(tenant), placed.get(tenant)];
      if (old.journal !== now.journal) return true;
      // One that left and came back meanwhile has moved as well. A directory of an older version does not say since when.
      return !isFirst && old.since !== undefined && now.since !== undefined && old.since !== now.since;
    };
    const moved = new Set([...before.keys(), ...placed.keys()].filter(hasMoved));
    if (moved.size > 0) for (const listener of [...this.#listeners]) listener(moved);
  }
}

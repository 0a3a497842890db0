/** Which journal each tenant is in: asked of the directory, and asked again whenever it says that they have changed. */
import { accountsPlaced, accountsPlacements } from '@polyedge/contracts/bus/accounts';
import { MAIN } from '@polyedge/contracts/journal';
import type { Bus, Placements, Subscription } from './bus.ts';
import { processSurroundings, type Surroundings } from './surroundings.ts';

const TIMEOUT_MS = 2000;
const RETRY_MS = 500;

/**
 * Until the directory has answered, every tenant counts as one of `main`. A replica refuses a tenant that is in another journal, so a placement that
 * is not known, or no longer true, costs a question and never a wrong answer.
 */
export class KnownPlacements implements Placements {
  readonly #bus: Pick<Bus, 'request' | 'subscribe' | 'onStatus'>;
  readonly #listeners = new Set<(tenants: ReadonlySet<string>) => void>();
  readonly #subscriptions: Subscription[] = [];
  #journals: ReadonlyMap<string, string> = new Map();
  /** Undefined until the directory has answered. */
  #version: number | undefined;
  #asking: Promise<boolean> | undefined;
  /** Something was said since the question that is under way. */
  #again = false;
  readonly #after: Surroundings['after'];
  #cancelRetry: () => void = () => {};
  #stopped = false;

  constructor(bus: Pick<Bus, 'request' | 'subscribe' | 'onStatus'>, { after }: Pick<Surroundings, 'after'> = processSurroundings) {
    this.#bus = bus;
    this.#after = after;
  }

  /** Listens, and asks until somebody answers. Does not wait for the answer. */
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

  /** No tenant is known to be anywhere else. */
  get areAllInMain(): boolean {
    return this.#journals.size === 0;
  }

  journalOf(tenant: string): string {
    return this.#journals.get(tenant) ?? MAIN;
  }

  onMoved(listener: (tenants: ReadonlySet<string>) => void): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  async refresh(): Promise<void> {
    // An answer to a question of before may be older than this call.
    if (this.#asking !== undefined) await this.#asking;
    await this.#ask();
  }

  #load(): void {
    this.#cancelRetry();
    if (this.#stopped) return;
    if (this.#asking !== undefined) {
      this.#again = true;
      return;
    }
    void this.#ask().then((answered) => {
      if (this.#again) {
        this.#again = false;
        this.#load();
      } else if (!answered && !this.#stopped) this.#cancelRetry = this.#after(RETRY_MS, () => this.#load());
    });
  }

  #ask(): Promise<boolean> {
    this.#asking ??= this.#bus.request(accountsPlacements, accountsPlacements.subject({}), {}, { timeoutMs: TIMEOUT_MS }).then((reply) => {
      this.#asking = undefined;
      if (reply.ok) this.#take(reply.value.version, new Map(reply.value.placements.map(({ tenant, journal }) => [tenant, journal])));
      return reply.ok;
    });
    return this.#asking;
  }

  #take(version: number, journals: ReadonlyMap<string, string>): void {
    const before = this.#journals;
    this.#version = version;
    this.#journals = journals;
    const moved = new Set([...before.keys(), ...journals.keys()].filter((tenant) => before.get(tenant) !== journals.get(tenant)));
    if (moved.size > 0) for (const listener of [...this.#listeners]) listener(moved);
  }
}

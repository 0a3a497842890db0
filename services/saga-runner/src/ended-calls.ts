/**
 * Runs of one tenant that had ended before this runner took over their partition. Their changes are delivered again if the earlier owner
 * had not confirmed them, but a run that has its record is not repeated: it could do what it had failed to do, after later runs for the
 * same parent.
 */
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { graphQuery } from '@polyedge/contracts/bus/graph';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';

const TIMEOUT_MS = 5000;
/** Ids of one request. */
const MAX_IDS = 500;

/** Ids that are asked for together, and those of them that exist. */
interface Round {
  readonly ids: string[];
  readonly found: Promise<Outcome<ReadonlySet<string>>>;
}

export class EndedCalls {
  readonly #bus: Bus;
  readonly #tenant: string;
  /** The newest seq when a partition was taken over last: an earlier owner has received nothing newer. Undefined until it is asked for. */
  #newest: Promise<Outcome<number>> | undefined;
  #round: Round | undefined;

  constructor(bus: Bus, tenant: string) {
    this.#bus = bus;
    this.#tenant = tenant;
  }

  /** A partition was taken over: the calls of changes committed until now are looked up. */
  takenOver(): void {
    this.#newest = undefined;
  }

  /**
   * Whether the run of a change has ended and is recorded. Fails if the store cannot be asked now.
   * @param seq of the change
   * @param call the id of the run's record
   */
  async has(seq: number, call: string): Promise<Outcome<boolean>> {
    this.#newest ??= this.#position();
    const asked = this.#newest;
    const newest = await asked;
    if (!newest.ok) {
      if (this.#newest === asked) this.#newest = undefined;
      return newest;
    }
    if (seq > newest.value) return done(false);
    this.#round ??= this.#newRound();
    this.#round.ids.push(call);
    const found = await this.#round.found;
    return found.ok ? done(found.value.has(call)) : found;
  }

  async #position(): Promise<Outcome<number>> {
    const journal = busOfTenant(this.#bus, this.#tenant);
    const position = await journal.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: TIMEOUT_MS });
    return position.ok ? done(position.value.seq) : position;
  }

  /** What is asked in one turn of the event loop is asked together. */
  #newRound(): Round {
    const ids: string[] = [];
    const found = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#round = undefined;
      return this.#existing(ids);
    });
    return { ids, found };
  }

  async #existing(ids: readonly string[]): Promise<Outcome<ReadonlySet<string>>> {
    const existing = new Set<string>();
    for (let at = 0; at < ids.length; at += MAX_IDS) {
      const values = ids.slice(at, at + MAX_IDS);
      const body = { filter: { test: 'in', path: ['id'], values }, limit: MAX_IDS, fields: [] };
      const read = await this.#bus.request(graphQuery, graphQuery.subject({ tenant: this.#tenant }), body, { timeoutMs: TIMEOUT_MS });
      if (!read.ok) return read;
      for (const { id } of read.value.elements) existing.add(id);
    }
    return done(existing);
  }
}

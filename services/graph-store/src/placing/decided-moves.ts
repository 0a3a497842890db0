/**
 * Completes moves to a journal that were decided but not carried out by their run: every replica that serves the journal does so within a
 * second.
 */
import { MAIN } from '@polyedge/contracts/journal';
import type { Log } from '@polyedge/service-kit/log';
import type { JournalPlace } from '../journals.ts';
import type { Queries } from '../postgres/pool.ts';
import { Transactions } from '../postgres/transactions.ts';
import { carryOut } from './decide.ts';

const SESSION = { statement_timeout: '5s', lock_timeout: '2s' };

export interface DecidedMovesOptions {
  /** The name of the served journal. */
  readonly name: string;
  readonly journal: Queries;
  /** Every configured journal. */
  readonly places: readonly JournalPlace[];
  readonly application: string;
  readonly log: Log;
}

interface Arriving {
  readonly tenant: string;
  readonly source: string;
  readonly run: string;
  readonly complete: boolean;
  /** The copied fraction of the source, as far as recorded. */
  readonly part: number;
}

/** Moves to and from the journal. */
export interface MoveStats {
  arriving: number;
  leaving: number;
  /** The smallest copied fraction of all moves to the journal. */
  copiedPart: number;
}

export class DecidedMoves {
  /** For metrics. */
  readonly stats: MoveStats = { arriving: 0, leaving: 0, copiedPart: 0 };
  readonly #options: DecidedMovesOptions;
  #isBusy = false;
  /** The failure has already been logged. */
  #isFailing = false;

  constructor(options: DecidedMovesOptions) {
    this.#options = options;
  }

  /** Queries the journal; the rest runs concurrently. */
  async look(): Promise<void> {
    const { journal, log } = this.#options;
    const [now] = await journal<{ arriving: Arriving[]; leaving: number }[]>`
      select coalesce(json_agg(json_build_object('tenant', tenant, 'source', source, 'run', mover, 'complete', complete,
          'part', least(1, copied / greatest((progress ->> 'head')::float8, 1)))), '[]') as arriving,
        (select count(*) from departure) as leaving from arrival`;
    if (now === undefined) return;
    this.stats.arriving = now.arriving.length;
    this.stats.leaving = now.leaving;
    this.stats.copiedPart = Math.min(1, ...now.arriving.map(({ part }) => part));
    if (now.arriving.length === 0) this.stats.copiedPart = 0;
    const complete = now.arriving.filter((move) => move.complete);
    if (complete.length === 0 || this.#isBusy) return;
    this.#isBusy = true;
    void this.#carryOut(complete)
      .then(
        () => {
          this.#isFailing = false;
        },
        (err: unknown) => {
          if (!this.#isFailing) log.warn('a move may be decided and cannot be carried out yet; it is tried again', { err });
          this.#isFailing = true;
        },
      )
      .finally(() => {
        this.#isBusy = false;
      });
  }

  async #carryOut(complete: readonly Arriving[]): Promise<void> {
    const { name: target, log } = this.#options;
    await using open = new AsyncDisposableStack();
    const [directory, to] = [this.#connect(open, MAIN), this.#connect(open, target)];
    for (const move of complete) {
      const from = this.#connect(open, move.source);
      if (await carryOut({ ...move, target, from, to, directory }))
        log.info(`the tenant ${move.tenant} has moved from the journal ${move.source}`);
    }
  }

  #connect(open: AsyncDisposableStack, journal: string): Transactions {
    const { places, application } = this.#options;
    const place = places.find(({ name }) => name === journal);
    if (place === undefined) throw new Error(`POLYEDGE_JOURNALS does not name the journal ${journal}`);
    const transactions = new Transactions({ url: place.databaseUrl, name: `${application}-moves`, session: SESSION });
    open.defer(() => transactions.end());
    return transactions;
  }
}

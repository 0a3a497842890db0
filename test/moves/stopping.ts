/**
 * Runs a move inside the test, and ends it at a given step as if its process had been killed, or suspends it there. A step is a transaction or a single
 * statement.
 */
import { MAIN } from '@polyedge/contracts/journal';
import { type Moved, moveTenant } from '../../services/graph-store/src/placing/move.ts';
import { withRetries } from '../../services/graph-store/src/placing/with-retries.ts';
import { Transactions } from '../../services/graph-store/src/postgres/transactions.ts';

class Killed extends Error {}

/** A shorter fence than in production, for runs that end before they lift it. */
const SHORT_MS = 300;

interface Steps {
  /** Called before each step; throws if the run ends here. */
  before(): Promise<void>;
  after(): void;
}

class SteppingTransactions extends Transactions {
  readonly #steps: Steps;

  constructor(url: string, steps: Steps) {
    super({ url, name: 'test-mover', session: { enable_seqscan: 'off' } });
    this.#steps = steps;
  }

  override async run<T>(work: Parameters<typeof Transactions.prototype.run<T>>[0], deadline?: number): Promise<T> {
    await this.#steps.before();
    const result = await super.run(work, deadline);
    this.#steps.after();
    return result;
  }
}

export interface RunOptions {
  readonly urls: ReadonlyMap<string, string>;
  readonly tenant: string;
  readonly target: string;
  /** The step at which the run ends, from 1, and whether that step is still carried out. */
  readonly killedAt?: number;
  readonly done?: boolean;
  /** What happens while the run is suspended at a step, before it continues. */
  readonly stopped?: { readonly at: number; readonly meanwhile: () => Promise<void> };
}

/** @returns the number of steps begun; `moved` is undefined if the run was killed */
export async function runMove({ urls, tenant, target, killedAt = Number.POSITIVE_INFINITY, done = false, stopped }: RunOptions): Promise<{
  readonly steps: number;
  readonly moved: Moved | undefined;
}> {
  let [steps, killed] = [0, false];
  const end = (): never => {
    // The clean-up of a killed run has no effect.
    killed = true;
    throw new Killed();
  };
  const counter: Steps = {
    before: async () => {
      steps += 1;
      if (killed || (steps === killedAt && !done)) end();
      if (steps === stopped?.at) await stopped.meanwhile();
    },
    after: () => {
      if (killed || (steps === killedAt && done)) end();
    },
  };
  const connections = new Map([...urls].map(([name, url]) => [name, new SteppingTransactions(url, counter)]));
  const directory = new SteppingTransactions(urls.get(MAIN) ?? '', counter);
  try {
    const silent = { log: () => {}, progress: () => {} };
    const moved = await withRetries(
      () => {},
      () =>
        moveTenant(
          { directory, journals: connections },
          tenant,
          target,
          silent,
          killedAt === Number.POSITIVE_INFINITY ? undefined : SHORT_MS,
        ),
    );
    return { steps, moved };
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return { steps, moved: undefined };
  } finally {
    await Promise.all([...connections.values(), directory].map((each) => each.end()));
  }
}

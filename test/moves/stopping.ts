/**
 * A run of a move inside the test, which ends at a given step as if its process were killed there, or stands still there: each step is a transaction, or a
 * statement alone.
 */
import { MAIN } from '@polyedge/contracts/journal';
import { type Moved, moveTenant } from '../../services/graph-store/src/placing/move.ts';
import { withRetries } from '../../services/graph-store/src/placing/with-retries.ts';
import { Transactions } from '../../services/graph-store/src/postgres/transactions.ts';

class Killed extends Error {}

/** A fence that nobody lifts is not waited for as long as in earnest. */
const SHORT_MS = 300;

interface Steps {
  /** Begins a step, or fails. */
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
  /** The step at which it ends, from 1, and whether what that does is done before. */
  readonly killedAt?: number;
  readonly done?: boolean;
  /** What happens while it stands still at this step; then it goes on. */
  readonly stopped?: { readonly at: number; readonly meanwhile: () => Promise<void> };
}

/** @returns how many steps it began; `moved` is undefined when it was killed */
export async function runMove({ urls, tenant, target, killedAt = Number.POSITIVE_INFINITY, done = false, stopped }: RunOptions): Promise<{
  readonly steps: number;
  readonly moved: Moved | undefined;
}> {
  let [steps, killed] = [0, false];
  const end = (): never => {
    // Nothing that the run does to clean up gets anywhere.
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

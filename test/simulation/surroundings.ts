/** What all processes of a simulated system share. */
import type { PositionsModel } from '@polyedge/journal/testing/positions-model';
import type { NatsModel } from '@polyedge/simulation/nats-model';
import type { Chance, VirtualTime } from '@polyedge/simulation/virtual-time';
import type { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import type { Judge } from './judge.ts';
import type { SystemBug } from './planted.ts';
import type { RedisModel } from './redis-model.ts';

/** A journal's servers and judge. */
export interface Servers {
  readonly journal: string;
  readonly redis: RedisModel;
  readonly database: DatabaseModel;
  readonly positions: PositionsModel;
  readonly judge: Judge;
  /** The database is unavailable until this time. */
  databaseAwayUntil: number;
}

/** The tenants outside of `main`, with the version of their last move. */
export interface Directory {
  version: number;
  readonly placements: Map<string, { readonly journal: string; readonly since: number }>;
}

export interface Surroundings extends Servers {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly nats: NatsModel;
  readonly bug: SystemBug | undefined;
  readonly directory: Directory;
  /** All tenants. */
  readonly tenants: readonly string[];
  /** The percentage of statements whose answer is lost. */
  readonly lostAnswers: number;
  /** Whether batches take longer than in other histories. */
  readonly isSlow: boolean;
  /** The number of failovers of the database. */
  readonly failovers: number;
  /** The tenant of this view, and the number of its moves. */
  readonly tenant: string;
  readonly moves: number;
  note(line: string): void;
  /** This view with the servers of a journal. */
  at(journal: string): Surroundings;
  /** A tenant's view, always with the servers of its current journal. */
  of(tenant: string): Surroundings;
}

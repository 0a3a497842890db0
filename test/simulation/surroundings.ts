/** What all processes of a simulated system share. */
import type { PositionsModel } from '@polyedge/journal/testing/positions-model';
import type { NatsModel } from '@polyedge/simulation/nats-model';
import type { Chance, VirtualTime } from '@polyedge/simulation/virtual-time';
import type { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import type { Judge } from './judge.ts';
import type { SystemBug } from './planted.ts';
import type { RedisModel } from './redis-model.ts';

/** A journal: its servers, and what is looked at there. */
export interface Servers {
  readonly journal: string;
  readonly redis: RedisModel;
  readonly database: DatabaseModel;
  readonly positions: PositionsModel;
  readonly judge: Judge;
  /** The database cannot be reached until then. */
  databaseAwayUntil: number;
}

/** Which tenants were moved out of `main`, and the version of their last move. */
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
  /** All that there are. */
  readonly tenants: readonly string[];
  /** Of a hundred statements so many lose their answer. */
  readonly lostAnswers: number;
  /** Batches take longer than they do elsewhere. */
  readonly isSlow: boolean;
  /** How often another copy of the database took over. */
  readonly failovers: number;
  /** Whose clients these are, and how often that tenant was moved to another journal. */
  readonly tenant: string;
  readonly moves: number;
  note(line: string): void;
  /** The same with the servers of a journal. */
  at(journal: string): Surroundings;
  /** The same for a tenant, with the servers of the journal that it is in at the time. */
  of(tenant: string): Surroundings;
}

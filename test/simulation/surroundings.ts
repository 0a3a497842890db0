/** What all processes of a simulated system share. */
import type { PositionsModel } from '@polyedge/journal/testing/positions-model';
import type { NatsModel } from '@polyedge/simulation/nats-model';
import type { Chance, VirtualTime } from '@polyedge/simulation/virtual-time';
import type { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import type { Judge } from './judge.ts';
import type { SystemBug } from './planted.ts';
import type { RedisModel } from './redis-model.ts';

export interface Surroundings {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly nats: NatsModel;
  readonly redis: RedisModel;
  readonly database: DatabaseModel;
  readonly positions: PositionsModel;
  readonly judge: Judge;
  readonly bug: SystemBug | undefined;
  /** The database cannot be reached until then. */
  databaseAwayUntil: number;
  /** Of a hundred statements so many lose their answer. */
  lostAnswers: number;
  /** How often another copy of the database took over. */
  readonly failovers: number;
  note(line: string): void;
}

/** Further journals of a simulated system, and views of the system from a journal or a tenant. */
import { PositionsModel } from '@polyedge/journal/testing/positions-model';
import type { NatsModel } from '@polyedge/simulation/nats-model';
import type { Chance, VirtualTime } from '@polyedge/simulation/virtual-time';
import { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import { Judge } from './judge.ts';
import type { MovingGroups } from './moving-groups.ts';
import type { SystemBug } from './planted.ts';
import { RedisModel } from './redis-model.ts';
import { PARTITIONS } from './settings.ts';
import type { Directory, Servers, Surroundings } from './surroundings.ts';

/** Consumer groups of a tenant. */
export interface Groups {
  readonly tenant: string;
  readonly names: readonly string[];
}

/**
 * The servers of a new journal.
 * @param groups to judge there
 * @param moving the groups of the tenant that moves between journals
 */
export function newServers(
  journal: string,
  time: VirtualTime,
  bug: SystemBug | undefined,
  groups: Groups,
  moving: MovingGroups | undefined,
): Servers {
  const database = new DatabaseModel({
    epochs: `${journal}-`,
    remembers: bug !== 'repeats-not-looked-up',
    readsLater: bug === 'read-after-lock',
  });
  const positions = new PositionsModel(PARTITIONS);
  const judge = new Judge(journal, time, database, positions, groups, moving);
  return { journal, database, positions, judge, redis: new RedisModel(time), databaseAwayUntil: 0 };
}

/** A tenant's current journal, and the number of its moves. */
export interface Place {
  readonly tenant: string;
  servers: Servers;
  moves: number;
}

/** A view of the system with the servers of one place's journal. */
export class SeenFrom implements Surroundings {
  readonly #system: Surroundings;
  readonly #place: Place;

  constructor(system: Surroundings, place: Place) {
    this.#system = system;
    this.#place = place;
  }

  get tenant(): string {
    return this.#place.tenant;
  }

  get moves(): number {
    return this.#place.moves;
  }

  get journal(): string {
    return this.#place.servers.journal;
  }

  get redis(): RedisModel {
    return this.#place.servers.redis;
  }

  get database(): DatabaseModel {
    return this.#place.servers.database;
  }

  get positions(): PositionsModel {
    return this.#place.servers.positions;
  }

  get judge(): Judge {
    return this.#place.servers.judge;
  }

  get databaseAwayUntil(): number {
    return this.#place.servers.databaseAwayUntil;
  }

  get time(): VirtualTime {
    return this.#system.time;
  }

  get chance(): Chance {
    return this.#system.chance;
  }

  get nats(): NatsModel {
    return this.#system.nats;
  }

  get bug(): SystemBug | undefined {
    return this.#system.bug;
  }

  get directory(): Directory {
    return this.#system.directory;
  }

  get tenants(): readonly string[] {
    return this.#system.tenants;
  }

  get lostAnswers(): number {
    return this.#system.lostAnswers;
  }

  get isSlow(): boolean {
    return this.#system.isSlow;
  }

  get failovers(): number {
    return this.#system.failovers;
  }

  note(line: string): void {
    this.#system.note(line);
  }

  at(journal: string): Surroundings {
    return this.#system.at(journal);
  }

  of(tenant: string): Surroundings {
    return this.#system.of(tenant);
  }
}

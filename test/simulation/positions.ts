/** The positions of consumer groups, as graph-store stores them, in the simulated database. */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { GroupPositions } from '../../services/graph-store/src/postgres/groups.ts';
import { ELSEWHERE, MOVING } from '../../services/graph-store/src/postgres/tenants-elsewhere.ts';
import type { Process } from './process.ts';
import type { Surroundings } from './surroundings.ts';

/** The server finishes what it has read from a lost connection within this time. */
const LATE_MS = 2500;

/**
 * @param process of the replica that calls
 * @param reach fails if the database cannot be reached
 */
export function positionsOver(world: Surroundings, process: Process, reach: () => void): Omit<GroupPositions, 'stats' | 'sweep'> {
  const { chance, database, positions, time, bug } = world;

  /** A statement arrives, takes effect and is answered. Some answers are lost, and such a statement may take effect later. */
  const ask = <Answer>(effect: () => Outcome<Answer>): Promise<Outcome<Answer>> =>
    new Promise((resolve, reject) => {
      time.after(0.5 + chance.below(4), () => {
        try {
          reach();
        } catch (error) {
          process.after(100 + chance.below(300), () => reject(error));
          return;
        }
        if (!chance.percent(world.lostAnswers)) {
          const outcome = effect();
          process.after(0.5 + chance.below(4), () => resolve(outcome));
          return;
        }
        const fate = chance.below(3);
        if (fate === 0) effect();
        else if (fate === 1) afterwards(effect);
        process.after(chance.below(50), () => resolve(failed('unavailable', 'the connection broke')));
      });
    });

  const afterwards = (effect: () => void): void => {
    const { failovers } = world;
    time.after(chance.below(LATE_MS), () => {
      if (world.failovers === failovers && world.databaseAwayUntil <= time.now) effect();
    });
  };

  return {
    open: (tenant, { name, start }) =>
      ask(() => {
        const away = database.away.get(tenant);
        if (away !== undefined) return away === 'left' ? ELSEWHERE : MOVING;
        return positions.open(name, start, database);
      }),
    claim: ({ epoch, group, claims }) =>
      ask(() => (epoch === database.epoch ? (positions.claim(group, claims) as Awaited<ReturnType<GroupPositions['claim']>>) : lost)),
    commit: ({ epoch, positions: moved, touched }) =>
      ask(() => {
        if (epoch !== database.epoch) return lost;
        if (bug === 'no-fence-check') positions.commitWithoutFence(moved);
        return positions.commit(moved, touched) as Awaited<ReturnType<GroupPositions['commit']>>;
      }),
    // The simulation does not expire groups.
    reset: async () => failed('not-found'),
    remove: async () => failed('not-found'),
    list: async () => done({ epoch: database.epoch, seq: database.seq, groups: [] }),
  };
}

const lost = failed('lost', 'another history has begun');

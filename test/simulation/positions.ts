/** Positions of consumer groups as graph-store keeps them, in the simulated database. */
import { done, failed } from '@polyedge/contracts/errors';
import type { GroupPositions } from '../../services/graph-store/src/postgres/groups.ts';
import type { Surroundings } from './surroundings.ts';

/** @param reach fails when the database cannot be reached */
export function positionsOver({ database, positions, bug }: Surroundings, reach: () => void): Omit<GroupPositions, 'stats' | 'sweep'> {
  return {
    open: async (_tenant, { name, start }) => {
      reach();
      return positions.open(name, start, database);
    },
    claim: async ({ epoch, group, claims }) => {
      reach();
      return epoch === database.epoch ? (positions.claim(group, claims) as Awaited<ReturnType<GroupPositions['claim']>>) : lost;
    },
    commit: async ({ epoch, positions: moved, touched }) => {
      reach();
      if (bug === 'no-fence-check') for (const one of moved) positions.force(one);
      return epoch === database.epoch ? (positions.commit(moved, touched) as Awaited<ReturnType<GroupPositions['commit']>>) : lost;
    },
    // Nobody looks after groups here.
    reset: async () => failed('not-found'),
    remove: async () => failed('not-found'),
    list: async () => done({ epoch: database.epoch, seq: database.seq, groups: [] }),
  };
}

const lost = failed('lost', 'another history has begun');

/**
 * Preferred owners by rendezvous hashing: all edges with the same list of members compute the same owner, and a change of members moves few
 * partitions.
 */
import { hash } from 'node:crypto';

/** The member with the highest hash of (partition, member); undefined without members. */
export function preferred(partition: number, members: Iterable<string>): string | undefined {
  let best: string | undefined;
  let highest = '';
  for (const member of members) {
    const score = hash('sha256', `${partition}\0${member}`);
    if (best === undefined || score > highest || (score === highest && member > best)) {
      best = member;
      highest = score;
    }
  }
  return best;
}

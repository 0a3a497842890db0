/** The answers of Redis and the store to consumer groups, and the known bugs that a test can plant in or beside them. */
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { GroupCall } from '@polyedge/journal/groups/messages';
import type { CommittedPosition } from '@polyedge/journal/groups/port';
import { GROUP_TIMES } from '@polyedge/journal/groups/settings';
import type { PositionStoreModel } from './position-store-model.ts';
import type { RedisGroupsModel } from './redis-groups-model.ts';
import type { Chance } from './virtual-time.ts';

/** Known bugs. A test plants one and checks that it is found. */
export const PLANTED_BUGS = [
  // Delivered changes count as confirmed.
  'confirmed-when-given',
  // A page of the journal is read twice.
  'page-read-twice',
  // A page with a gap before it counts as the next one.
  'page-with-a-hole',
  // A new owner believes a working copy that is ahead of the stored position.
  'position-of-a-copy-believed',
  // The store is told of deliveries instead of confirmations.
  'position-moved-when-given',
  // Nothing is retried after a failure.
  'no-tick',
] as const;
export type PlantedBug = (typeof PLANTED_BUGS)[number];

export class GroupServers {
  readonly #redis: RedisGroupsModel;
  readonly #store: PositionStoreModel;
  readonly #chance: Chance;
  readonly #bug: PlantedBug | undefined;

  constructor(redis: RedisGroupsModel, store: PositionStoreModel, chance: Chance, bug: PlantedBug | undefined) {
    this.#redis = redis;
    this.#store = store;
    this.#chance = chance;
    this.#bug = bug;
  }

  /** @param edge that asks */
  answer(edge: string, call: GroupCall): Outcome<unknown> {
    const { termMs, aliveMs } = GROUP_TIMES;
    switch (call.call) {
      case 'list':
        this.#redis.beat(edge, aliveMs);
        return done(this.#redis.join(call.group, edge, call.members));
      case 'unlist':
        this.#redis.leave(call.group, call.members);
        return done(undefined);
      case 'beat':
        this.#redis.beat(edge, aliveMs);
        return done(undefined);
      case 'members':
        return done(this.#redis.members(call.group));
      case 'alive':
        return done(this.#redis.alive(call.edges));
      case 'take':
        return done(this.#redis.take(call.group, call.owner, termMs, call.freeForMs, call.requests));
      case 'hold': {
        const ahead = this.#bug === 'position-of-a-copy-believed';
        const held = ahead ? call.held.map((one) => ({ ...one, position: one.position + 3 })) : call.held;
        return done(this.#redis.hold(call.group, call.what, call.what === 'renew' ? termMs : 0, held));
      }
      case 'open':
        return this.#store.open(call.name, call.start);
      case 'claim':
        return this.#store.claim(call.group, call.claims);
      case 'commit': {
        const positions = this.#bug === 'position-moved-when-given' ? call.positions.map(aheadOfConfirmed) : call.positions;
        return this.#store.commit(positions, call.touched);
      }
      case 'position':
        return done({ epoch: this.#store.epoch, oldest: 1 });
      case 'read': {
        const after = this.#bug === undefined || !this.#chance.percent(5) ? call.after : afterWith(this.#bug, call.after);
        return done(this.#store.read(call.partition, after, call.limit, this.#store.seq));
      }
      case 'end':
        return done(this.#store.seq);
    }
  }
}

export const isOfRedis = ({ call }: GroupCall): boolean => !['open', 'claim', 'commit', 'position'].includes(call);

/** The position at which a planted bug begins to read. */
function afterWith(bug: PlantedBug, after: number): number {
  if (bug === 'page-with-a-hole') return after + 3;
  return bug === 'page-read-twice' ? Math.max(0, after - 5) : after;
}

const aheadOfConfirmed = (one: CommittedPosition): CommittedPosition => ({ ...one, position: one.position + 2 });

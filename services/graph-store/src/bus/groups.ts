/** Answers requests about consumer groups: their positions, and changes of a partition that Redis no longer has. */
import { graphPartition } from '@polyedge/contracts/bus/feed';
import { groupClaim, groupCommit, groupDelete, groupList, groupMoved, groupOpen, groupReset } from '@polyedge/contracts/bus/groups';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import { SLOTS } from '../core/slot.ts';
import type { GroupPositions, Removed } from '../postgres/groups.ts';
import type { Journal } from '../postgres/journal.ts';
import { outcomeOf } from '../postgres/read.ts';
import { within } from './changes.ts';

/** Changes in one reply, unless the caller requests fewer. */
const DEFAULT_LIMIT = 500;

const noTenant = failed('invalid', 'no tenant');

export interface GroupsOptions {
  readonly positions: Omit<GroupPositions, 'stats' | 'sweep'>;
  /** The journal, for a caller with this deadline. */
  readonly journal: (deadline: number) => Journal;
  readonly partitions: number;
}

export function answerGroups(bus: Bus, options: GroupsOptions): Responder[] {
  const { positions } = options;
  const inTenant = async <T>(tenant: string | undefined, answer: (tenant: string) => Promise<Outcome<T>>): Promise<Outcome<T>> =>
    tenant === undefined ? noTenant : await answer(tenant);
  /** Notifies edges with members now, before their next write fails. */
  const notified = <Reply>(tenant: string, outcome: Outcome<Removed<Reply>>): Outcome<Reply> => {
    if (!outcome.ok) return outcome;
    bus.publish(groupMoved, { tenant, group: outcome.value.name }, { edge: 'graph-store' });
    return done(outcome.value.reply);
  };
  return [
    bus.respond(groupOpen, (request, { tenant, deadline }) =>
      outcomeOf(() => inTenant(tenant, (name) => positions.open(name, request, deadline))),
    ),
    bus.respond(groupClaim, (request, { deadline }) => outcomeOf(() => positions.claim(request, deadline))),
    bus.respond(groupCommit, (request, { deadline }) => outcomeOf(() => positions.commit(request, deadline))),
    bus.respond(groupList, (_request, { tenant, deadline }) => outcomeOf(() => inTenant(tenant, (name) => positions.list(name, deadline)))),
    bus.respond(groupReset, (request, { tenant, deadline }) =>
      outcomeOf(() => inTenant(tenant, async (name) => notified(name, await positions.reset(name, request, deadline)))),
    ),
    bus.respond(groupDelete, (request, { tenant, deadline }) =>
      outcomeOf(() => inTenant(tenant, async (name) => notified(name, await positions.remove(name, request, deadline)))),
    ),
    bus.respond(graphPartition, (request, { deadline }) =>
      outcomeOf(() => partition(request, options.journal(deadline), options.partitions)),
    ),
  ];
}

async function partition(
  { epoch, partition: wanted, after, limit = DEFAULT_LIMIT }: RequestOf<typeof graphPartition>,
  journal: Journal,
  partitions: number,
): Promise<Outcome<ReplyOf<typeof graphPartition>>> {
  // The position is read first: later commits are not promised, and earlier ones are visible to the next statement.
  const position = await journal.position();
  if (position.epoch !== epoch) return failed('lost', 'another history has begun');
  if (after + 1 < position.oldest) return failed('lost', 'the position is older than what is kept');
  if (after >= position.seq) return done({ to: after, changes: [] });
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => slot % partitions === wanted);
  const { changes, cutAt } = within(await journal.ofSlots(slots, after, position.seq, limit));
  const full = changes.length === limit ? changes.at(-1)?.seq : undefined;
  return done({ to: cutAt ?? full ?? position.seq, changes });
}

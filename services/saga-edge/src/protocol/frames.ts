/** The frames that members of Saga's rooms receive for a change, for display in the console. */
import type { FullChange } from '@polyedge/contracts/change';
import { compile } from '@polyedge/query/predicate';
import { encode, type SagaRaw } from './codec.ts';
import { baseOf, type Room, watchesOf } from './joins.ts';
import { translate } from './translate.ts';

const KINDS = ['user', 'bot'] as const;
const RUNNABLES = ['scripts', 'jobs'] as const;
const TOLD = ['runnable_calls', 'runnable_logs', 'versions'] as const;

/** Each room whose members see the change, with their packet; a packet that goes to several rooms is listed once for each. */
export function framesOf(change: FullChange): readonly { readonly to: string; readonly packet: SagaRaw }[] {
  return roomsOf(change).flatMap(({ room, id }) =>
    watchesOf(room, id, change.tenant, false).flatMap(({ view }) => {
      if (!compile(view.filter)(change.state)) return [];
      const event = translate(change, view);
      return event === undefined ? [] : [{ to: `${baseOf(room)}/join${id === undefined ? '' : ` ${id}`}`, packet: encode(event) }];
    }),
  );
}

/** The rooms that a change may concern: those of its owners, and those of all resources of a kind. */
function roomsOf({ owners }: FullChange): readonly { readonly room: Room; readonly id: string | undefined }[] {
  const parents = owners.flatMap((id) => KINDS.map((kind) => ({ room: { of: 'parent', kind } as const, id })));
  const runnables = RUNNABLES.flatMap((runnable) =>
    TOLD.map((what) => ({ room: { of: 'runnable', runnable, what } as const, id: undefined })),
  );
  return [{ room: { of: 'globals' }, id: undefined }, ...parents, ...runnables, { room: { of: 'npm' }, id: undefined }];
}

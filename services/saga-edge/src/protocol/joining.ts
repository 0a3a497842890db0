/** Joining and leaving rooms, as tasks (Saga protocol page, 3.2 and 3.3). */
import { graphGet } from '@polyedge/contracts/bus/graph';
import { isId, TYPES } from '@polyedge/saga/elements';
import { INSUFFICIENT, sagaError, toError } from '@polyedge/saga/errors';
import { answer, type ParsedPost, type PostResult, refuse } from '@polyedge/saga/work';
import { type CallQuestion, call } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { Identity } from './identity.ts';
import { type Room, routeOf } from './joins.ts';
import type { Rooms } from './rooms.ts';
import { enter, type SocketWork } from './socket-questions.ts';

/** The joining socket. */
interface Joiner {
  readonly identity: Identity;
  /** The rooms joined so far, if any. */
  readonly rooms: Rooms | undefined;
  readonly maxJoins: number;
}

const TOO_MANY = sagaError(429, 'too many joins');

export function* join(asked: Room, id: string | undefined, { identity, rooms, maxJoins }: Joiner): SocketWork {
  if (!identity.may('get', routeOf(asked, id))) return refuse(INSUFFICIENT);
  if (rooms?.has(asked, id) === true) return answer({ ok: 1 });
  if ((rooms?.size ?? 0) >= maxJoins) return refuse(TOO_MANY);
  let room = asked;
  if (id !== undefined && id !== identity.principal?.account) {
    const meant = yield* existing(asked, id, identity.principal?.tenant ?? '');
    if (!meant.ok) return meant;
    room = meant.value;
    if (room !== asked && !identity.may('get', routeOf(room, id))) return refuse(INSUFFICIENT);
    if (room !== asked && rooms?.has(room, id) === true) return answer({ ok: 1 });
  }
  const entered = yield* enter(room, id);
  return entered.ok ? answer({ ok: 1 }) : refuse(TOO_MANY);
}

/** The room, if it exists: scripts and jobs are interchangeable, because the documentation confuses them (3.3). */
function* existing(room: Room, id: string, tenant: string): Task<CallQuestion, ParsedPost<Room>> {
  const found = isId(id) ? yield* call(graphGet, { tenant }, { ids: [id] }) : undefined;
  if (found?.ok === false) return refuse(toError(found.failure));
  const type = found?.value.elements[0]?.type;
  if (room.of === 'runnable') {
    if (type === TYPES.script) return { ok: true, value: { ...room, runnable: 'scripts' } };
    if (type === TYPES.job) return { ok: true, value: { ...room, runnable: 'jobs' } };
    return refuse(sagaError(404, `${room.runnable === 'scripts' ? 'Script' : 'Job'} does not exist`));
  }
  if (room.of !== 'parent' || type === TYPES[room.kind]) return { ok: true, value: room };
  return refuse(sagaError(404, `${room.kind === 'user' ? 'User' : 'Bot'} does not exist`));
}

/** Leaving needs no right, and leaving a room that was not joined succeeds. A room joined under the wrong name is left under it. */
export function leave(room: Room, id: string | undefined, rooms: Rooms | undefined): PostResult {
  const other: Room = room.of === 'runnable' ? { ...room, runnable: room.runnable === 'scripts' ? 'jobs' : 'scripts' } : room;
  rooms?.leave([room, other], id);
  return answer({ ok: 1 });
}

/** Emitting signals (Saga protocol page, 3.6 and 5.2). */
import { graphQuery, type Operation } from '@polyedge/contracts/bus/graph';
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { Json } from '@polyedge/query/json';
import { call, write } from '@polyedge/session/questions';
import {
  attribute,
  both,
  type Creator,
  equal,
  isObject,
  ofType,
  type ParentKind,
  PLURAL,
  schemaId,
  signalVertexId,
  TYPES,
  toSignal,
} from './elements.ts';
import { operationOf, sagaError, toError, unprocessable } from './errors.ts';
import { parentMustExist, parentOf, problemOfName, writeError } from './property-post.ts';
import { answer, type Caller, type ParsedPost, refuse, type Work } from './work.ts';

export interface SignalPost {
  readonly kind: ParentKind;
  readonly parent: string;
  readonly name: string;
  readonly value: Json;
}

/** Checks what a client posted. */
export function parseSignal(kind: ParentKind, payload: unknown): ParsedPost<SignalPost> {
  if (!isObject(payload)) return refuse(sagaError(400, 'the payload is not an object'));
  const parent = parentOf(kind, payload);
  if (!parent.ok) return parent;
  const { name, value = null } = payload;
  const problem = problemOfName(name);
  if (problem !== undefined || typeof name !== 'string') return refuse(unprocessable('name', problem ?? 'is missing'));
  return { ok: true, value: { kind, parent: parent.value, name, value } };
}

/**
 * Checks a signal against its schema and publishes it. A signal that a script waits for is also stored, so that it survives a restart of the
 * runner.
 */
export function* postSignal({ kind, parent, name, value }: SignalPost, caller: Caller, creator: Creator = { type: caller.way }): Work {
  const path = `/${PLURAL[kind]}/signals/${name}`;
  const { call: by, id: runnable, type } = creator;
  const signal: SagaSignal = {
    id: caller.newId(),
    parentType: kind,
    parent,
    name,
    value,
    creator: { type, ...(runnable === undefined ? {} : { id: runnable }) },
    ...(by === undefined ? {} : { runnableCall: by }),
    at: Math.floor(caller.at),
  };
  const scripts = both(ofType(TYPES.script), equal(attribute('path'), path), equal(attribute('enabled'), true));
  const found = yield* call(graphQuery, { tenant: caller.tenant }, { filter: scripts, limit: 1, fields: [] });
  if (!found.ok) return refuse(toError(found.failure));
  const isKept = found.value.elements.length > 0;
  const written = yield* write('signal', isKept ? toKeep(signal, path) : toCheck(signal, path));
  if (!isKept && written.ok) return refuse(sagaError(500));
  const isGood = written.ok || (!isKept && written.failure.code === 'conflict' && operationOf(written.failure) === CHECKED);
  if (!isGood) return refuse(writeError(written.failure, kind));
  yield { kind: 'signal', signal };
  return answer(toSignal(signal));
}

const schemaOf = (path: string) => ({ id: schemaId(path), attribute: 'active', of: 'value' });

/** One vertex for all signals of a name: the journal has each signal, and the number of vertices stays bounded. */
function toKeep(signal: SagaSignal, path: string): Operation[] {
  const { parentType: kind, parent, name, value, creator, runnableCall = null, at, id } = signal;
  const set: Record<string, Json> = { value, signal_id: id, at, source_creator: { ...creator }, runnable_call_id: runnableCall };
  return [
    parentMustExist(kind, parent),
    {
      op: 'update',
      target: { id: signalVertexId(parent, name), where: ofType(TYPES.signal) },
      set,
      schema: schemaOf(path),
      touch: true,
      ifMissing: { type: TYPES.signal, attributes: { parent_type: kind, parent_id: parent, name } },
    },
  ];
}

/** The operation of `toCheck` that fails when the signal is good. */
const CHECKED = 2;

/**
 * Checks a signal against its schema without storing anything. Only graph-store can evaluate schemas, so the signal's value is put into a
 * vertex by a request whose last operation always fails: nothing takes effect, and the index of the failed operation shows the result.
 */
const toCheck = ({ parentType: kind, parent, value, id }: SagaSignal, path: string): Operation[] => [
  parentMustExist(kind, parent),
  { op: 'create', type: TYPES.signal, id, attributes: { value }, schema: schemaOf(path) },
  { op: 'update', target: { id }, expect: 0 },
];

/** Emitting signals (Saga protocol page, 3.6 and 5.2). */
import { graphQuery, type Operation } from '@polyedge/contracts/bus/graph';
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { ReplyOf } from '@polyedge/contracts/channel';
import type { Json } from '@polyedge/query/json';
import { call } from '@polyedge/session/call';
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
import { type Caller, fail, type Step } from './step.ts';

/** Checks a signal and publishes it. A signal that a script waits for is also stored, so that it survives a restart of the runner. */
export function postSignal(kind: ParentKind, payload: unknown, caller: Caller, creator: Creator = { type: caller.way }): Step {
  if (!isObject(payload)) return fail(sagaError(400, 'the payload is not an object'));
  const parent = parentOf(kind, payload);
  if (!parent.ok) return fail(parent.error);
  const { name, value = null } = payload;
  const problem = problemOfName(name);
  if (problem !== undefined || typeof name !== 'string') return fail(unprocessable('name', problem ?? 'is missing'));
  const path = `/${PLURAL[kind]}/signals/${name}`;
  const { call: by, id: runnable, type } = creator;
  const signal: SagaSignal = {
    id: caller.newId(),
    parentType: kind,
    parent: parent.value,
    name,
    value,
    creator: { type, ...(runnable === undefined ? {} : { id: runnable }) },
    ...(by === undefined ? {} : { runnableCall: by }),
    at: Math.floor(caller.at),
  };
  const scripts = both(ofType(TYPES.script), equal(attribute('path'), path), equal(attribute('enabled'), true));
  return {
    next: 'ask',
    call: call(graphQuery, { tenant: caller.tenant }, { filter: scripts, limit: 1, fields: [] }),
    resume: (outcome) => {
      if (!outcome.ok) return fail(toError(outcome.failure));
      // The driver has checked the reply against the channel's schema.
      const { elements } = outcome.value as ReplyOf<typeof graphQuery>;
      return elements.length > 0 ? keep(signal, path) : check(signal, path);
    },
  };
}

const schemaOf = (path: string) => ({ id: schemaId(path), attribute: 'active', of: 'value' });

/** One vertex for all signals of a name: the journal has each signal, and the number of vertices stays bounded. */
function keep(signal: SagaSignal, path: string): Step {
  const { parentType: kind, parent, name, value, creator, runnableCall = null, at, id } = signal;
  const set: Record<string, Json> = { value, signal_id: id, at, source_creator: { ...creator }, runnable_call_id: runnableCall };
  const write: Operation = {
    op: 'update',
    target: { id: signalVertexId(parent, name), where: ofType(TYPES.signal) },
    set,
    schema: schemaOf(path),
    touch: true,
    ifMissing: { type: TYPES.signal, attributes: { parent_type: kind, parent_id: parent, name } },
  };
  return {
    next: 'write',
    what: 'signal',
    operations: [parentMustExist(kind, parent), write],
    resume: (outcome) => (outcome.ok ? tell(signal) : fail(writeError(outcome.failure, kind))),
  };
}

/**
 * Checks a signal against its schema without storing anything. Only graph-store can evaluate schemas, so the signal's value is put into a
 * vertex by a request whose last operation always fails: nothing takes effect, and the index of the failed operation shows the result.
 */
function check(signal: SagaSignal, path: string): Step {
  const { parentType: kind, parent, value, id } = signal;
  return {
    next: 'write',
    what: 'signal',
    operations: [
      parentMustExist(kind, parent),
      { op: 'create', type: TYPES.signal, id, attributes: { value }, schema: schemaOf(path) },
      { op: 'update', target: { id }, expect: 0 },
    ],
    resume: (outcome) => {
      if (outcome.ok) return fail(sagaError(500));
      if (outcome.failure.code !== 'conflict' || operationOf(outcome.failure) !== 2) return fail(writeError(outcome.failure, kind));
      return tell(signal);
    },
  };
}

const tell = (signal: SagaSignal): Step => ({ next: 'tell', signal, body: toSignal(signal) });

import type { Action, FullChange, Undo } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';

/** A vertex as a HIRO client would have made it, with parts of it replaced. */
export function sampleElement(parts: Partial<Element> = {}): Element {
  return {
    tenant: 'acme',
    id: 'v1',
    kind: 'vertex',
    type: 'ogit/Question',
    scope: 's1',
    attributes: { 'ogit/name': 'My name' },
    version: 1,
    seq: 7,
    created: { on: 1000, by: 'alice', app: 'app1' },
    modified: { on: 1502437236523, by: 'bob', app: 'app2' },
    deleted: false,
    ...parts,
  };
}

export const FRESH: Undo = { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false };

/** The change that made a state. */
export function sampleChange(state: Element, action: Action, undo: Undo = FRESH): FullChange {
  const { seq, tenant, id, kind, type, scope, version, modified } = state;
  return {
    ...{ seq, epoch: 'e1', tenant, id, kind, type, scope, owners: [id], action, version },
    ...{ on: modified.on, by: modified.by, app: modified.app, origin: { protocol: 'hiro', way: 'socket', operation: action } },
    ...{ operationId: 'o1', first: seq, last: seq, state, undo },
  };
}

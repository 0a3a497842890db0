/** A conversation with a session of graph-ws, without sockets. */
import assert from 'node:assert/strict';
import type { Element } from '@polyedge/contracts/element';
import { type GraphResponse, graphResponse } from '@polyedge/contracts/wire/hiro';
import type { Effect, Input, Opening } from '@polyedge/session/session';
import type { GraphFrame } from '../src/protocol/graph/codec.ts';
import type { GraphSettings } from '../src/protocol/graph/session.ts';
import { graphProtocol } from '../src/protocol/protocol.ts';
import { NOW, samplePrincipal } from './sample-principal.ts';

export const someone = samplePrincipal();

const opening: Opening = {
  credential: { ok: true, value: someone },
  path: '/api/graph-ws/6.1/',
  query: {},
  address: '10.0.0.1',
  nonce: '0123456789abcdef0123456789abcdef',
  at: NOW,
};

export type Out = Effect<GraphResponse>;

/** A conversation: what goes in as text, what comes out as effects. */
export function talk(over: Partial<GraphSettings> = {}, from: Partial<Opening> = {}) {
  const protocol = graphProtocol({ maxInFlight: 64, tokenGraceMs: 10_000, names: 'lenient', ...over });
  const [session, first] = protocol.open({ ...opening, ...from });
  const input = (given: Input<GraphFrame>, at = NOW): readonly Out[] => {
    const effects = session.handle(given, at);
    for (const effect of effects) {
      if (effect.do === 'send') assert.ok(graphResponse.test(effect.frame), JSON.stringify(effect.frame));
    }
    return effects;
  };
  return {
    first,
    input,
    send: (text: string, at = NOW) => {
      const decoded = protocol.decode(text);
      return input(decoded.ok ? { kind: 'frame', frame: decoded.value } : { kind: 'undecodable', problem: decoded.problem }, at);
    },
  };
}

/** The frames that are sent. */
export const sent = (effects: readonly Out[]): readonly GraphResponse[] =>
  effects.flatMap((effect) => (effect.do === 'send' ? [effect.frame] : []));
/** The first effect of a kind. */
export const ofKind = <Do extends Out['do']>(effects: readonly Out[], kind: Do): Extract<Out, { do: Do }> => {
  const found = effects.find((effect): effect is Extract<Out, { do: Do }> => effect.do === kind);
  assert.ok(found, `no ${kind} in ${JSON.stringify(effects)}`);
  return found;
};
/** The ids of the frames that are sent. */
export const ids = (effects: readonly Out[]): unknown[] => sent(effects).map((frame) => ('id' in frame ? frame.id : undefined));
/** The codes of the errors among them. */
export const errorCodes = (effects: readonly Out[]): unknown[] =>
  sent(effects).flatMap((frame) => ('error' in frame ? [frame.error.code] : []));
/** A request to get `v1`. */
export const get = (id: unknown, more: object = {}): string =>
  JSON.stringify({ id, type: 'get', headers: { 'ogit/_id': 'v1' }, body: {}, ...more });

export function vertex(id: string, over: Partial<Element> = {}): Element {
  const stamp = { on: NOW, by: 'acc1', app: 'app1' };
  return {
    tenant: 'acme',
    id,
    kind: 'vertex',
    type: 'ogit/Note',
    scope: 'scope1',
    attributes: { 'ogit/name': id },
    version: 1,
    seq: 1,
    created: stamp,
    modified: stamp,
    deleted: false,
    ...over,
  };
}

/** What the store answers to a read. */
export const found = (id: string, ...elements: (Element | null)[]): Input<GraphFrame> => ({
  kind: 'reply',
  id,
  outcome: { ok: true, value: { epoch: 'e', seq: 1, elements } },
});
/** What the store answers to a write of one element. */
export const wrote = (id: string, element: Element): Input<GraphFrame> => ({
  kind: 'written',
  id,
  outcome: { ok: true, value: { first: 1, last: 1, operations: [{ elements: [element] }] } },
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { sampleElement } from '../../test/sample-element.ts';
import { NOW, samplePrincipal } from '../../test/sample-principal.ts';
import { codeOf } from '../protocol/failures.ts';
import { gremlin } from '../protocol/graph/run-gremlin.ts';
import type { AnswerPage, HiroAnswer } from '../protocol/graph/work.ts';
import { RequestParameters } from '../protocol/parameters.ts';
import { actingAs } from './graph.ts';

const LIMIT_MS = 10_000;

const someone = samplePrincipal();

const stamp = { on: NOW, by: 'acc1', app: 'app1' };
const root = sampleElement({ type: 'ogit/Note', scope: 'scope1', attributes: {}, seq: 1, created: stamp, modified: stamp });

test('hiro:G14 a traversal that takes longer than its limit is answered 408 by REST', async () => {
  const network = new LocalNetwork();
  const store = network.connect();
  store.respond(graphGet, async () => done({ epoch: 'e', seq: 1, elements: [root] }));
  const nothing: Element[] = [];
  store.respond(graphQuery, async () => done({ epoch: 'e', seq: 1, elements: nothing }));
  const rest = new RestTasks({ bus: network.connect(), wheel: new Wheel(systemClock), requestTimeoutMs: 1000 });
  const answered = async (at: number) => {
    const work = gremlin(new RequestParameters({ root: 'v1', query: 'out()' }), {}, { who: someone, at, now: Date.now });
    return (await rest.advance<AnswerPage, HiroAnswer>(work, actingAs(someone, AbortSignal.timeout(5000)))).value;
  };
  assert.deepEqual(await answered(Date.now()), { ok: true, value: { kind: 'items', items: [] } });
  const late = await answered(Date.now() - LIMIT_MS - 1);
  assert.ok('failure' in late);
  assert.equal(codeOf(late.failure), 408);
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HiroEvent } from '@polyedge/contracts/wire/hiro';
import { Client } from './client.ts';
import { post, type System, startSystem } from './system.ts';

let system: System;
let token: string;
before(async () => {
  system = await startSystem();
  token = await system.token();
});
after(() => system[Symbol.asyncDispose]());

const rest = (path: string): string => `${system.hiro.url}/api/graph/7.4${path}`;

async function make(type: string, body: object = {}): Promise<string> {
  const { body: vertex } = await post(rest(`/new/${encodeURIComponent(type)}`), body, token);
  return String((vertex as Readonly<Record<string, unknown>>)['ogit/_id']);
}

const makeMany = async (type: string, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => make(type)));

interface Member extends Disposable {
  readonly client: Client;
  events(): HiroEvent[];
  ids(): string[];
}

/** A socket in a group, with one filter. */
async function member(group: string, type: string, options: { readonly offset?: string; readonly port?: number } = {}): Promise<Member> {
  const { offset = 'largest', port = system.hiro.port } = options;
  const client = new Client(port, `/api/events-ws/6.2/?groupId=${group}&offset=${offset}`, ['events-1.0.0', `token-${token}`]);
  await client.open();
  client.send({ type: 'register', args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${type})` } });
  const events = (): HiroEvent[] => client.frames as HiroEvent[];
  return { client, events, ids: () => events().map(({ id }) => id), [Symbol.dispose]: () => client.ws.terminate() };
}

/** Waits until the members together have heard of all of these. */
async function untilHeard(members: readonly Member[], ids: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const heard = new Set(members.flatMap((one) => one.ids()));
    if (ids.every((id) => heard.has(id))) return;
    assert.ok(Date.now() < deadline, `${ids.filter((id) => !heard.has(id)).length} of ${ids.length} events never came`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Nothing acknowledges a `register`: a vertex is made now and then until the group hears of one. */
async function untilLive(members: readonly Member[], type: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const id = await make(type);
    for (let wait = 0; wait < 20; wait += 1) {
      if (members.some((one) => one.ids().includes(id))) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    assert.ok(tries < 20, 'the group never began');
  }
}

test('hiro:E14 the members of a group share its events out, each event once', async () => {
  using one = await member('e14', 'ogit/E14');
  using two = await member('e14', 'ogit/E14');
  await untilLive([one, two], 'ogit/E14');
  const ids = await makeMany('ogit/E14', 60);
  await untilHeard([one, two], ids);
  const heard = [...one.ids(), ...two.ids()].filter((id) => ids.includes(id));
  assert.equal(heard.length, ids.length);
  assert.ok(one.ids().some((id) => ids.includes(id)));
  assert.ok(two.ids().some((id) => ids.includes(id)));
});

test('hiro:E16 a group that comes back gets what it missed, whatever offset it asks for', async () => {
  {
    using first = await member('e16', 'ogit/E16');
    await untilLive([first], 'ogit/E16');
    first.client.ws.close();
    await first.client.end();
  }
  const missed = await makeMany('ogit/E16', 30);
  using second = await member('e16', 'ogit/E16', { offset: 'largest' });
  await untilHeard([second], missed);
  assert.equal(second.ids().length, missed.length);
});

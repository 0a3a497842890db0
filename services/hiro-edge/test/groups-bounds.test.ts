import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { groupOpen, MAX_GROUP_MEMBERS, MAX_GROUPS } from '@polyedge/contracts/bus/groups';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import type { RunningService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import { type Member, Scene, untilHeard } from './groups-scene.ts';
import { call, type System, startSystem } from './system.ts';

const MAX_LAG = 1000;

let system: System;
let scene: Scene;
/** Waits so long for confirmations that no test gets that far, even on a slow machine. */
let patient: RunningService;
before(async () => {
  system = await startSystem({ store: { GRAPH_STORE_MAX_GROUP_LAG: String(MAX_LAG), GRAPH_STORE_SWEEP_MS: '500' } });
  scene = new Scene(system, await system.token());
  patient = await system.startHiro({ HIRO_CONFIRM_MS: '600000' });
});
after(() => system[Symbol.asyncDispose]());

/** The last frame of a member that was sent away: what it was told. */
const told = ({ client }: Member): { readonly code: number; readonly message: string } | undefined =>
  (client.frames.at(-1) as { readonly error?: { readonly code: number; readonly message: string } } | undefined)?.error;

async function counted(edge: RunningService, name: string): Promise<number> {
  const text = await (await fetch(edge.metricsUrl)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'));
  assert.notEqual(lines.length, 0, `there is no metric ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const trusted = (edge: RunningService): Promise<number> => counted(edge, 'edge_written_instead_of_confirmed');

/** Waits until nothing that members of an edge were given is unconfirmed. */
const untilConfirmed = (edge: RunningService): Promise<boolean> =>
  until('what was given is taken as confirmed', async () => (await counted(edge, 'groups_pending')) === 0);

/** Leaves, and makes sure that whoever comes next is given what is new and nothing else. */
async function handOver(edge: RunningService, from: Member, group: string, type: string): Promise<void> {
  from.client.ws.close();
  await from.client.end();
  using next = await scene.member(group, type, { port: edge.port });
  await untilHeard([next], await scene.makeMany(type, 5));
  assert.deepEqual(
    next.ids().filter((id) => from.ids().includes(id)),
    [],
  );
}

test('hiro:E18 a member that reads and says nothing, not even a pong, is closed with 1013, and another is given all of it', async () => {
  const impatient = await system.startHiro({ HIRO_CONFIRM_MS: '1000', HIRO_PING_INTERVAL_MS: '1000' });
  using silent = await scene.member('silent', 'ogit/Silent', { port: impatient.port, autoPong: false });
  await scene.untilLive([silent], 'ogit/Silent');
  assert.equal((await silent.client.end()).code, 1013);
  assert.equal(await trusted(impatient), 0);
  using other = await scene.member('silent', 'ogit/Silent', { port: impatient.port });
  await untilHeard([other], silent.ids());
});

test('hiro:E18 a member that never pongs but keeps sending messages is trusted with written frames: they are counted, and not delivered again', async () => {
  const impatient = await system.startHiro({ HIRO_CONFIRM_MS: '1000', HIRO_PING_INTERVAL_MS: '1000' });
  using deaf = await scene.member('deaf', 'ogit/Deaf', { port: impatient.port, autoPong: false });
  const talking = setInterval(
    () => deaf.client.send({ type: 'register', args: { 'filter-id': 'g', 'filter-content': '(element.ogit/_type = ogit/None)' } }),
    200,
  );
  try {
    await scene.untilLive([deaf], 'ogit/Deaf');
    await until('it is trusted', async () => (await trusted(impatient)) === 1);
    await untilHeard([deaf], await scene.makeMany('ogit/Deaf', 30));
    await untilConfirmed(impatient);
    assert.equal(deaf.client.closed, undefined);
    assert.equal(await trusted(impatient), 1, 'once for a socket');
  } finally {
    clearInterval(talking);
  }
  await handOver(impatient, deaf, 'deaf', 'ogit/Deaf');
});

test('clients of an application that is named in a setting are trusted from the first event on', async () => {
  const naming = await system.startHiro({
    HIRO_WRITTEN_APPLICATIONS: 'another, test',
    HIRO_CONFIRM_MS: '1000',
    HIRO_PING_INTERVAL_MS: '1000',
  });
  using deaf = await scene.member('named', 'ogit/Named', { port: naming.port, autoPong: false });
  await scene.untilLive([deaf], 'ogit/Named');
  assert.equal(await trusted(naming), 1);
  await untilHeard([deaf], await scene.makeMany('ogit/Named', 30));
  await untilConfirmed(naming);
  assert.equal(deaf.client.closed, undefined);
  await handOver(naming, deaf, 'named', 'ogit/Named');
});

test('hiro:E15 a member that does not confirm its deliveries when its partitions move is closed with 1013 after the drain time, before the time-out for unconfirmed ones', async () => {
  using slow = await scene.member('drain', 'ogit/Drain', { port: patient.port });
  await scene.untilLive([slow], 'ogit/Drain');
  slow.client.ws.pause();
  const ids = await scene.makeMany('ogit/Drain', 40);
  using other = await scene.member('drain', 'ogit/Drain', { port: patient.port });
  await untilHeard([other], ids);
  assert.equal(await counted(patient, 'groups_drain_timeouts'), 1);
  slow.client.ws.resume();
  assert.equal((await slow.client.end()).code, 1013);
});

test('hiro:E17 an active group that is too far behind is deleted, its member gets an error, and its next connect is a first one', async () => {
  using slow = await scene.member('behind', 'ogit/Behind', { offset: 'smallest', port: patient.port });
  await scene.untilLive([slow], 'ogit/Behind');
  // Left to itself the position of a group that confirms passes all changes, also those of others.
  slow.client.ws.pause();
  const first = await scene.makeMany('ogit/Behind', 20);
  for (let made = 0; made < MAX_LAG + 100; made += 100) await scene.makeMany('ogit/Beside', 100);
  const gone = async (): Promise<boolean> => {
    const { body } = await call('GET', `${system.hiro.url}/admin/groups`, scene.token);
    return !(body as { items: { name: string }[] }).items.some(({ name }) => name === 'behind');
  };
  await until('the group is forgotten', gone);
  slow.client.ws.resume();
  assert.equal((await slow.client.end()).code, 1013);
  assert.deepEqual(told(slow), { code: 500, message: 'the group has expired, was reset or deleted, or was too far behind' });
  using back = await scene.member('behind', 'ogit/Behind', { offset: 'smallest' });
  await untilHeard([back], first);
});

test(`a group has at most ${MAX_GROUP_MEMBERS} members: a further one gets an error and is closed, and disturbs no other`, async () => {
  const members = await Promise.all(Array.from({ length: MAX_GROUP_MEMBERS }, () => scene.member('crowd', 'ogit/Crowd')));
  try {
    await scene.untilLive(members, 'ogit/Crowd');
    using late = await scene.member('crowd', 'ogit/Crowd');
    assert.equal((await late.client.end()).code, 1013);
    assert.deepEqual(told(late), { code: 429, message: 'the group has as many members as it may have' });
    const ids = await scene.makeMany('ogit/Crowd', 40);
    await untilHeard(members, ids);
    assert.deepEqual(
      members.filter(({ client }) => client.closed !== undefined).map(({ client }) => client.closed),
      [],
    );
  } finally {
    for (const one of members) one[Symbol.dispose]();
  }
});

test(`an organization has at most ${MAX_GROUPS} groups: the first member of a further one gets an error and is closed`, async () => {
  const connected = await connectNatsBus({ url: system.natsUrl, service: 'test-groups' });
  assert.ok(connected.ok);
  const bus = connected.value;
  try {
    let refused = 0;
    for (let made = 0; refused === 0; made += 50) {
      assert.ok(made <= MAX_GROUPS + 50, 'there is no bound');
      const names = Array.from({ length: 50 }, (_, at) => `many-${made + at}`);
      const answers = await Promise.all(
        names.map((name) =>
          bus.request(groupOpen, groupOpen.subject({ tenant: 'default' }), { name, start: 'largest' }, { timeoutMs: 5000 }),
        ),
      );
      refused = answers.filter((answer) => !answer.ok && answer.failure.code === 'limited').length;
    }
  } finally {
    await bus.close();
  }
  using late = await scene.member('one-more', 'ogit/OneMore');
  assert.equal((await late.client.end()).code, 1013);
  assert.deepEqual(told(late), { code: 429, message: `there are ${MAX_GROUPS} groups already` });
  // Those that are there go on.
  using known = await scene.member('many-0', 'ogit/OneMore');
  await scene.untilLive([known], 'ogit/OneMore');
});

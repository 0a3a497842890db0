/** What must always be there at least once, on two replicas of space-edge and of graph-store: an ADMIN, and the owner of an organization. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { ADMIN, type Answered, asAdmin, pricing, Rest, type System, startSystem } from './system.ts';

const ROUNDS = 12;
const PASSWORD = 'secret-1';

let system: System;
let urls: readonly [string, string];
before(async () => {
  system = await startSystem();
  const [other] = await Promise.all([system.startSpace(), system.startStore()]);
  urls = [system.space.url, other.url];
});
after(() => system[Symbol.asyncDispose]());

interface User {
  readonly username: string;
  /** The calls of its key on both replicas. */
  readonly rests: readonly [Rest, Rest];
}

async function newUser(by: Rest, role: 'ADMIN' | 'USER'): Promise<User> {
  const username = `user-${randomBytes(4).toString('hex')}`;
  const made = await by.post('/users', { username, password: PASSWORD, role });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const key = String(made.body.apiKey);
  return { username, rests: [new Rest(urls[0], key), new Rest(urls[1], key)] };
}

const isAdmin = async ({ rests }: User): Promise<boolean> => {
  const { status, body } = await rests[0].get('/users/me');
  return status === 200 && String(body.role) === 'ADMIN';
};

const WAYS: readonly (readonly [string, (caller: Rest, target: string) => Promise<Answered>])[] = [
  ['demote each other', (caller, target) => caller.put(`/users/${target}/role`, { role: 'USER' })],
  ['change each other', (caller, target) => caller.put(`/users/${target}`, { role: 'USER', password: 'secret-2' })],
  ['delete each other', (caller, target) => caller.delete(`/users/${target}`)],
];

test('space:36 an organization always has an owner, also when he, his heir and whoever gets it meanwhile are deleted at the same moment', async () => {
  const { rest: admin } = await asAdmin(urls[0]);
  const elsewhere = new Rest(urls[1], (await asAdmin(urls[1])).key);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [owner, heir, third, last] = await Promise.all([1, 2, 3, 4].map(() => newUser(admin, 'USER')));
    assert.ok(owner !== undefined && heir !== undefined && third !== undefined && last !== undefined);
    const made = await admin.post('/organizations', { name: `Heritage ${round}`, owner: owner.username });
    const at = `/organizations/${made.body.id}`;
    for (const [{ username }, role] of [
      [heir, 'ADMIN'],
      [last, 'EVALUATOR'],
    ] as const)
      assert.equal((await admin.post(`${at}/members`, { username, role })).status, 200);
    await Promise.all([
      admin.delete(`/users/${owner.username}`),
      elsewhere.delete(`/users/${heir.username}`),
      admin.put(at, { owner: third.username }),
      elsewhere.delete(`/users/${third.username}`),
    ]);
    const { status, body } = await admin.get(at);
    assert.deepEqual([status, body.owner, body.members], [200, last.username, []], `round ${round}`);
  }
});

test('space:36 who is deleted while he logs in, or while an organization is made for him, leaves none behind', async () => {
  const { rest: admin } = await asAdmin(urls[0]);
  const elsewhere = new Rest(urls[1], (await asAdmin(urls[1])).key);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { username } = await newUser(admin, 'USER');
    const made = await Promise.all([
      admin.delete(`/users/${username}`),
      elsewhere.post('/users/authenticate', { username, password: PASSWORD }),
      elsewhere.post('/organizations', { name: `Late ${username}`, owner: username }),
    ]);
    const left = await admin.get(`/organizations?q=${username}`);
    assert.deepEqual(left.body.data, [], `round ${round}: ${JSON.stringify(made)}`);
  }
});

test('space:18 of two versions that are archived on two replicas at the same moment one stays active', async () => {
  const { organizationKey } = await asAdmin(urls[0]);
  const [here, there] = [new Rest(urls[0], organizationKey), new Rest(urls[1], organizationKey)];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `Pair ${round}`;
    assert.equal((await here.upload('/services', pricing(name, '1'))).status, 201);
    assert.equal((await here.upload(`/services/${name}/pricings`, pricing(name, '2'))).status, 201);
    const fallback = { subscriptionPlan: 'FREE' };
    const answers = await Promise.all([
      here.put(`/services/${name}/pricings/1`, fallback),
      there.put(`/services/${name}/pricings/2`, fallback),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 400], JSON.stringify(answers));
    assert.equal(Object.keys((await here.get(`/services/${name}`)).body.activePricings ?? {}).length, 1);
  }
});

test('space:35 of two ADMINs who demote or delete each other at the same moment one stays, with what belongs to him', async () => {
  const { rest: first } = await asAdmin(urls[0]);
  let [one, other] = [await newUser(first, 'ADMIN'), await newUser(first, 'ADMIN')];
  assert.equal((await one.rests[0].put(`/users/${ADMIN.username}/role`, { role: 'USER' })).status, 200);
  for (const [way, take] of WAYS) {
    for (let round = 0; round < ROUNDS; round += 1) {
      const answers = await Promise.all([take(one.rests[0], other.username), take(other.rests[1], one.username)]);
      const stayed: User[] = [];
      for (const user of [one, other]) if (await isAdmin(user)) stayed.push(user);
      const [survivor] = stayed;
      assert.ok(survivor !== undefined && stayed.length === 1, `${way}, round ${round}: ${JSON.stringify(answers)}`);
      const organizations = await survivor.rests[0].get(`/organizations?q=${survivor.username}`);
      assert.equal(organizations.body.data?.[0]?.owner, survivor.username, `${way}, round ${round}: an organization is lost`);
      [one, other] = [survivor, await newUser(survivor.rests[0], 'ADMIN')];
    }
  }
  assert.equal((await one.rests[0].put(`/users/${ADMIN.username}/role`, { role: 'ADMIN' })).status, 200);
});

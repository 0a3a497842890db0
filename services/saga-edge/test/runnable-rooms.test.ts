/** The rooms of scripts, jobs and packages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runnerAlive, runnerCall, runnerPackages, runnerRun } from '@polyedge/contracts/bus/runner';
import { done, failed } from '@polyedge/contracts/errors';
import { bus, callOf, makeScript, report } from './rooms-scene.ts';
import { admin, boss, url } from './saga-scene.ts';

test('saga:24 calls and logs of runnables are stored, listed, and sent to the room of one, or of all of a kind', async () => {
  const [script, other, job] = await Promise.all([makeScript('scripts', { logging: true }), makeScript('scripts'), makeScript('jobs')]);
  const [one, allScripts, jobs, logs] = await Promise.all([admin(), admin(), admin(), admin()]);
  await one.send('/scripts/runnable_calls/join', script);
  await allScripts.send('/scripts/runnable_calls/join');
  await jobs.send('/jobs/runnable_calls/join', null);
  await logs.send('/scripts/runnable_logs/join', script);
  const call = callOf('scripts', script);
  await report({
    log: { id: 'log1', runnableType: 'scripts', runnable: script, call: call.id, level: 'warn', message: 'm', args: [1], at: 5 },
  });
  await report({ call });
  await report({ call });
  await report({ call: callOf('scripts', other) });
  await report({ call: callOf('jobs', job) });
  await allScripts.next('/runnable_calls', 2);
  await jobs.next('/runnable_calls');
  await one.next('/runnable_calls');
  await logs.next('/runnable_logs');
  assert.deepEqual(
    allScripts.events('/runnable_calls').map(({ runnable_id }) => runnable_id),
    [script, other],
  );
  assert.deepEqual(
    jobs.events('/runnable_calls').map(({ runnable_id }) => runnable_id),
    [job],
  );
  assert.deepEqual(
    one.events('/runnable_calls').map(({ _id, id, success, duration, error }) => [_id, id, success, duration, error.message]),
    [[call.id, call.id, false, 20, 'no']],
  );
  assert.deepEqual(one.events('/runnable_logs'), [], 'logs do not come through a join of calls');
  assert.deepEqual(
    logs.events('/runnable_logs').map(({ runnable_call_id, level, message }) => [runnable_call_id, level, message]),
    [[call.id, 'warn', 'm']],
  );
  assert.equal((await boss.api('GET', `/scripts/${script}/runnable_calls`)).body.length, 1);
  assert.equal((await boss.api('GET', '/scripts/runnable_calls')).body.length >= 2, true);
  assert.equal((await boss.api('GET', `/runnable_calls/${call.id}`)).body.runnable_id, script);
  assert.equal((await boss.api('GET', `/runnable_calls/${call.id}/logs`)).body[0].message, 'm');
  // What a client missed, as it was told to others.
  const calls = `/scripts/${script}/runnable_calls/stream`;
  const [missed, ...rest] = (await boss.api('GET', calls)).body;
  assert.deepEqual([missed, rest], [one.events('/runnable_calls')[0], []]);
  assert.deepEqual((await boss.api('GET', `${calls}?sortable_id=${missed.sortable_id}`)).body, []);
  assert.ok((await boss.api('GET', '/scripts/runnable_calls/stream')).body.length >= 2);
  assert.equal((await boss.api('GET', `/scripts/${script}/runnable_logs`)).body.length, 1);
});

test('saga:24 saving code creates a version that only its own room receives, and an older one can be restored', async () => {
  const [script, other] = await Promise.all([makeScript('scripts'), makeScript('scripts')]);
  const [one, two] = await Promise.all([admin(), admin()]);
  await one.send('/scripts/versions/join', script);
  await two.send('/scripts/versions/join', other);
  const saved = await boss.api('PUT', `/scripts/${script}`, { body: 'return 2' });
  assert.equal(saved.body.version, 2);
  await boss.api('PUT', `/scripts/${script}`, { notes: 'no code' });
  const versions = (await boss.api('GET', `/scripts/${script}/versions`)).body;
  assert.deepEqual(
    versions.map(({ version }: { version: number }) => version),
    [2, 1],
  );
  const restored = await boss.api('PUT', `/scripts/${script}/versions/${versions[1]._id}/restore`);
  assert.deepEqual([restored.body.body, restored.body.version], ['return 1', 3]);
  await one.next('/runnable_versions', 2);
  assert.deepEqual(
    one.events('/runnable_versions').map(({ version, body, runnable_id }) => [version, body, runnable_id]),
    [
      [2, 'return 2', script],
      [3, 'return 1', script],
    ],
  );
  await boss.api('PUT', `/scripts/${other}`, { body: 'return 9' });
  assert.equal((await two.next('/runnable_versions')).body, 'return 9');
  for (const [plural, body, field] of [
    ['scripts', { body: 'return (', path: '/users/properties/a' }, 'body'],
    ['scripts', { body: 'return 1', path: '/nowhere' }, 'path'],
    ['jobs', { body: 'return 1', schedule: 'sometimes' }, 'schedule'],
  ] as const) {
    const refused = await boss.api('POST', `/${plural}`, body);
    assert.deepEqual([refused.status, typeof refused.body.errors[field]], [422, 'string']);
  }
  assert.deepEqual((await boss.api('DELETE', `/scripts/${other}`)).body, { ok: 1 });
  assert.equal((await boss.api('GET', `/scripts/${other}`)).body.message, 'Script does not exist');
});

test("saga:34 a job joined under the documentation's wrong name is taken for a job", async () => {
  const job = await makeScript('jobs');
  const client = await admin();
  assert.equal((await client.send('/scripts/runnable_calls/join', job)).status_code, 200);
  assert.equal((await client.send('/scripts/versions/join', job)).status_code, 200);
  await report({ call: callOf('jobs', job) });
  assert.equal((await client.next('/runnable_calls')).runnable_id, job);
  await boss.api('PUT', `/jobs/${job}`, { schedule: '*/5 * * * *' });
  assert.equal((await client.next('/runnable_versions')).schedule, '*/5 * * * *');
  assert.equal((await client.send('/scripts/versions/leave', job)).status_code, 200);
  await boss.api('PUT', `/jobs/${job}`, { schedule: 'every 2 h' });
  assert.equal((await client.send('/jobs/runnable_calls/join', job)).status_code, 200);
  assert.equal(client.events('/runnable_versions').length, 1);
});

test('saga:32 a run is asked of whoever answers, also before a runner has announced itself', async () => {
  const script = await makeScript('scripts');
  const run = () => boss.api('POST', `/scripts/${script}/run`, {});
  assert.deepEqual([(await run()).status, (await run()).body.message], [503, 'no runner']);
  const runner = bus.respond(runnerRun, async () => done({ call: 'call1' }), { only: { tenant: 'default' } });
  await bus.flush(1000);
  assert.deepEqual((await run()).body, { ok: 1, runnable_call_id: 'call1' });
  await runner.stop();
});

test('saga:32 an HTTP script whose runner ends before it has begun is asked of another one', async () => {
  await makeScript('scripts', { path: '/requests/handed-over' });
  const call = async () => {
    const { status, body } = await boss.api('POST', '/requests/handed-over', {});
    return [status, body.message ?? body];
  };
  let asked = 0;
  const answer = { status: 200, headers: { 'content-type': 'application/json' }, body: '"done"', encoding: 'utf8', call: 'call2' } as const;
  const ends = bus.respond(
    runnerCall,
    async () => {
      asked += 1;
      return asked === 1 ? failed('busy', 'this runner ends') : done(answer);
    },
    { only: { tenant: 'default' } },
  );
  await bus.flush(1000);
  assert.deepEqual([await call(), asked], [[200, 'done'], 2]);
  await ends.stop();
  const begun = bus.respond(runnerCall, async () => failed('unavailable', 'its runner ended'), { only: { tenant: 'default' } });
  await bus.flush(1000);
  assert.deepEqual(await call(), [503, 'no runner']);
  await begun.stop();
});

test('saga:33 packages are listed and sent to rooms, and not installed without a runner that may', async () => {
  const client = await admin();
  assert.deepEqual((await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' })).body, {
    status_code: 503,
    name: 'Service Unavailable',
    message: 'no runner',
  });
  const ready = (): Promise<string> => fetch(`${url}/readyz`).then((response) => response.text());
  assert.match(await ready(), /no runner/);
  bus.publish(runnerAlive, {}, { instance: 'of others', packages: true, tenants: ['others'] });
  while ((await ready()).includes('no runner')) await bus.flush(1000);
  const ofOthers = bus.respond(runnerPackages, async () => done({ installs: true }), { only: { tenant: 'others' } });
  await bus.flush(1000);
  assert.equal((await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' })).status, 503);
  const one = bus.respond(runnerPackages, async () => done({ installs: false }), { only: { tenant: 'default' } });
  await bus.flush(1000);
  await client.send('/npm_packages/join', 'whatever');
  // At once: nothing has to be announced before.
  const made = await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' });
  assert.deepEqual([made.body.package_name, made.body.failed_install_attempts], ['left-pad@1', 1]);
  assert.equal((await client.next('/npm_packages')).package_name, 'left-pad@1');
  assert.equal((await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' })).status, 422);
  assert.equal((await boss.api('PUT', `/npm_packages/${made.body._id}`, {})).body.failed_install_attempts, 2);
  assert.deepEqual(
    (await boss.api('GET', '/npm_packages')).body.map(({ package_name }: { package_name: string }) => package_name),
    ['left-pad@1'],
  );
  assert.deepEqual((await boss.api('DELETE', `/npm_packages/${made.body._id}`)).body, { ok: 1 });
  const gone = await client.next('/npm_packages', 3);
  assert.deepEqual([gone.package_name, gone.deleted], ['left-pad@1', true]);
  await Promise.all([ofOthers.stop(), one.stop()]);
});

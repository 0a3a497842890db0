import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Account, accountsChanged, accountsGet } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { until } from '@polyedge/testkit/until';
import { RoleCache } from './roles.ts';

test('an answer that is overtaken by that of a later request changes nothing', async () => {
  const bus = localBus();
  const answers: ((title: string) => void)[] = [];
  bus.respond(accountsGet, async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    answers.push(resolve);
    const role = { _id: '1', title: await promise, scope: 'normal', permissions: [] };
    const account: Account = {
      id: 'a',
      tenant: 't',
      username: 'saga roles t',
      roles: {},
      defaultScope: 's',
      scopes: [],
      disabled: true,
      attributes: { roles: [role] },
    };
    return done({ accounts: [account] });
  });
  const roles = new RoleCache(bus, silentLog);
  const reads = [roles.read('t'), roles.read('t')];
  while (answers.length < 2) await new Promise(setImmediate);
  answers[1]?.('new');
  assert.equal(await reads[1], true);
  answers[0]?.('old');
  assert.equal(await reads[0], true);
  assert.deepEqual(
    roles.of('t').map(({ title }) => title),
    ['new'],
  );
  await bus.close();
});

test('a change of an account has the roles of its own tenant read, and of no other', async () => {
  const bus = localBus();
  const read: string[] = [];
  bus.respond(accountsGet, async (_request, { tenant = '' }) => {
    read.push(tenant);
    return done({ accounts: [] });
  });
  const roles = new RoleCache(bus, silentLog);
  roles.start();
  const tenants = ['t1', 't2', 't3'];
  for (const tenant of tenants) assert.ok(await roles.know(tenant));
  bus.publish(accountsChanged, { tenant: 't2' }, { id: 'a', seq: 1 });
  bus.publish(accountsChanged, { tenant: 't4' }, { id: 'b', seq: 2 });
  await until('the roles are read again', () => read.length > tenants.length);
  assert.ok(await roles.read('t1'));
  assert.deepEqual(read, [...tenants, 't2', 't1']);
  roles.stop();
  await bus.close();
});

/** Least privilege: the permissions of each service's credentials in NATS, Redis and PostgreSQL, tested on real servers against everything there is. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { connectionsFound, groupsFound } from '@polyedge/contracts/bus/console';
import { catalogue } from '@polyedge/contracts/catalogue';
import { inJournal } from '@polyedge/contracts/journal';
import { busUse, permissionsOf } from '@polyedge/contracts/permissions';
import { pattern } from '@polyedge/contracts/subject';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { dropOtherEpochs, HotJournal } from '@polyedge/journal/hot-journal';
import { startNats } from '@polyedge/testkit/servers/nats';
import { createRole } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { natsAccounts, natsUsers, usersConf } from '../infra/nats/accounts.ts';
import { redisAcl, redisUsers, usersAcl } from '../infra/redis/users.ts';

const root = resolve(import.meta.dirname, '..');
const answers: ReadonlySet<string> = new Set([connectionsFound.address, groupsFound.address]);
/** The domains whose channels a service uses, if not those of its own name. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  'hiro-edge': ['hiro', 'groups'],
  // Signals of scripts are Saga's.
  'saga-runner': ['runner', 'groups', 'saga'],
};
const password = (service: string) => `p-${service}`;

/** A subject of the channel. */
const example = (address: string) => address.replace(/\{[A-Za-z]+\}/g, 'acme');

/** Every channel as `main` has it, and those that each journal has for itself as another one has them. */
const subjects = Object.values(catalogue).flatMap(({ address, perJournal }) => {
  const [message, wild] = [example(address), pattern(address, {})];
  return [{ message, wild }, ...(perJournal ? [{ message: inJournal(message, 'second'), wild: `${wild}.*` }] : [])];
});

/** Tries every subject as this user, then waits until the server has reported the violations. */
async function refusals(port: number, user: string, attempt: (connection: NatsConnection) => void): Promise<ReadonlySet<string>> {
  const connection = await connect({
    servers: `127.0.0.1:${port}`,
    user,
    pass: password(user),
    inboxPrefix: `_INBOX.${user}.test`,
    reconnect: false,
    noAsyncTraces: true,
  });
  const refused = new Set<string>();
  const listening = (async () => {
    for await (const status of connection.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      const { operation, subject, queue } = status.error;
      refused.add(`${operation} ${subject}${queue === undefined || queue === '' ? '' : ` ${queue}`}`);
    }
  })();
  attempt(connection);
  // The server answers in order: after the pong everything has been checked.
  await connection.flush();
  await connection.close();
  await listening;
  return refused;
}

suite('least privilege', { concurrency: true }, () => {
  test('the users of NATS and Redis in infra/ match the tables (else run node tools/asyncapi.ts)', () => {
    assert.equal(readFileSync(join(root, 'infra/redis/users.acl'), 'utf8'), usersAcl());
    assert.equal(readFileSync(join(root, 'infra/nats/users.conf'), 'utf8'), usersConf());
  });

  test('every channel that a service names in its sources is in its part of the table', () => {
    const kinds = ['requests', 'responds', 'publishes', 'subscribes'] as const;
    for (const file of globSync('services/*/src/**/*.ts', { cwd: root })) {
      if (file.endsWith('.test.ts')) continue;
      const [, service = ''] = file.split('/');
      const part = busUse[service];
      assert.ok(part, `${service} is missing from libs/contracts/src/permissions.ts`);
      const declared = new Set(kinds.flatMap((kind) => part[kind].map(({ address }) => address)));
      const source = readFileSync(join(root, file), 'utf8');
      for (const [name, { address }] of Object.entries(catalogue)) {
        if (new RegExp(`\\b${name}\\b`).test(source)) {
          assert.ok(declared.has(address), `${file} uses ${name}, which is not in its part of libs/contracts/src/permissions.ts`);
        }
      }
    }
  });

  test("NATS rejects every subject outside of the service's own part, and none inside", async () => {
    await using nats = await startNats({ config: natsAccounts((service) => `"${password(service)}"`) });
    for (const user of natsUsers) {
      const allowed = permissionsOf(user);
      const refused = await refusals(nats.port, user, (connection) => {
        for (const { message, wild } of subjects) {
          connection.publish(message, '{}');
          connection.subscribe(wild, { callback: () => {} });
          connection.subscribe(wild, { queue: user, callback: () => {} });
        }
        for (const other of natsUsers) {
          connection.publish(`_INBOX.${other}.test.1`, '{}');
          connection.subscribe(`_INBOX.${other}.>`, { callback: () => {} });
        }
        for (const all of ['>', 'pe.>', 'pe.cmd.>', '_INBOX.>', '$SYS.>', '*']) connection.subscribe(all, { callback: () => {} });
        for (const strange of ['$SYS.REQ.SERVER.PING', '$JS.API.INFO', 'other']) connection.publish(strange, '{}');
      });
      const expected = new Set<string>();
      for (const { message, wild } of subjects) {
        if (!allowed.publish.includes(wild)) expected.add(`publish ${message}`);
        if (!allowed.subscribe.includes(wild)) expected.add(`subscription ${wild}`);
        if (!allowed.subscribe.includes(wild) && !allowed.subscribe.includes(`${wild} ${user}`))
          expected.add(`subscription ${wild} ${user}`);
      }
      for (const other of natsUsers) {
        if (!allowed.publish.includes(`_INBOX.${other}.>`)) expected.add(`publish _INBOX.${other}.test.1`);
        if (other !== user) expected.add(`subscription _INBOX.${other}.>`);
      }
      for (const all of ['>', 'pe.>', 'pe.cmd.>', '_INBOX.>', '$SYS.>', '*']) expected.add(`subscription ${all}`);
      for (const strange of ['$SYS.REQ.SERVER.PING', '$JS.API.INFO', 'other']) expected.add(`publish ${strange}`);
      assert.deepEqual([...refused].sort(), [...expected].sort(), user);
      // Most important: only the store answers for the store, and no edge publishes or subscribes as another one.
      const domain = user.replace(/-edge$/, '');
      const own = OWN[user] ?? [domain];
      if (user === 'graph-store') continue;
      for (const { kind, address } of Object.values(catalogue)) {
        // Any edge may answer the console: its answers have no security effect.
        if (answers.has(address)) continue;
        if (kind !== 'request' && !own.includes(address.split('.')[2] ?? ''))
          assert.ok(refused.has(`publish ${example(address)}`), `${user} may publish ${address}`);
      }
    }
  });

  test("NATS rejects connections without a service's password", async () => {
    await using nats = await startNats({ config: natsAccounts((service) => `"${password(service)}"`) });
    const strangers = [{}, { user: 'hiro-edge', pass: password('saga-edge') }, { user: 'admin', pass: 'admin' }];
    for (const stranger of strangers) {
      await assert.rejects(
        connect({ servers: `127.0.0.1:${nats.port}`, reconnect: false, noAsyncTraces: true, ...stranger }),
        /[Aa]uthorization/,
      );
    }
  });

  test('Redis gives each service its own keys and commands', async () => {
    await using redis = await startRedis({ acl: redisAcl((service) => `>${password(service)}`) });
    const as = (username: string) => {
      const client = new Redis(redis.port, '127.0.0.1', { username, password: password(username), lazyConnect: true, protocol: 2 });
      client.on('error', () => {});
      return client;
    };
    const open = Object.fromEntries(redisUsers.map((user) => [user, as(user)]));
    const { 'graph-store': store, 'hiro-edge': hiro } = open;
    assert.ok(store !== undefined && hiro !== undefined);
    const refused = (work: Promise<unknown>) => assert.rejects(work, /NOPERM/);
    try {
      await store.xadd('{pe:e1:3}:log.1', '7-0', 'prev', '0', 'change', '{}');
      await store.hset('{pe:e1:3}:meta', 'fence', '1');
      assert.equal((await hiro.xrange('{pe:e1:3}:log.1', '-', '+')).length, 1);
      assert.deepEqual(await hiro.hmget('{pe:e1:3}:meta', 'fence'), ['1']);
      await hiro.hset('{pe:e1:g5}:leases', '3', 'hiro-1');
      await hiro.set('{pe:e1:ehiro-1}:alive', '1', 'PX', 60_000);
      await store.unlink('{pe:e1:3}:log.1', '{pe:e1:3}:meta');
      // The operations of the services themselves, through their own library.
      const writer = new HotJournal(store, 'e1');
      assert.equal((await writer.claim(3, 1)).is, 'claimed');
      const state = { generation: 1, last: 7, head: 7 };
      assert.equal(await writer.clear(3, 1, 1), 'cleared');
      assert.equal(await writer.fill(3, 1, 1, 0, [{ seq: 7, json: '{}' }]), 'filled');
      assert.equal(await writer.switchTo(3, 1, state, 0), 'switched');
      const run = { partition: 3, state, changes: [{ seq: 9, json: '{}' }] };
      assert.deepEqual(await writer.append(1, 9, 8, [run]), ['appended']);
      assert.equal((await writer.newest(3))?.seq, 9);
      const reader = new HotJournal(hiro, 'e1');
      const page = await reader.read(3, (await reader.state(3)).generation, 0, 10);
      assert.ok(page.is === 'read' && page.entries.length >= 1);
      const groups = new GroupRedis(hiro, 'e1');
      await groups.beat('hiro-1', 60_000);
      assert.equal((await groups.alive(['hiro-1'])).size, 1);
      assert.notEqual(await groups.join(5, 'hiro-1', ['m1']), 'full');
      assert.equal((await groups.members(5)).size, 1);
      const [taken] = await groups.take(5, 'hiro-1', 60_000, 0, [{ partition: 3, above: 0 }]);
      assert.ok(taken?.is === 'taken');
      assert.deepEqual(await groups.hold(5, 'renew', 60_000, [{ partition: 3, fence: taken.fence, position: 7 }]), []);
      assert.equal((await groups.leases(5)).size, 1);
      await groups.leave(5, ['m1']);
      assert.equal((await dropOtherEpochs(store, 'e2')) > 0, true);
      await refused(writer.claim(3, 1).then(() => reader.claim(3, 2)));
      await refused(hiro.xadd('{pe:e1:3}:log.1', '8-0', 'prev', '7', 'change', '{}'));
      await refused(hiro.hset('{pe:e1:3}:meta', 'fence', '2'));
      await refused(hiro.eval("return redis.call('HSET', KEYS[1], 'fence', '2')", 1, '{pe:e1:3}:meta'));
      await refused(hiro.unlink('{pe:e1:3}:log.1'));
      for (const client of [store, hiro]) {
        await refused(client.set('elsewhere', '1'));
        await refused(client.keys('*'));
        await refused(client.flushall());
        await refused(client.config('GET', '*'));
        await refused(client.call('ACL', 'LIST'));
        await refused(client.publish('channel', 'x'));
        await refused(client.shutdown());
      }
      for (const service of natsUsers.filter((name) => !redisUsers.includes(name))) {
        const stranger = as(service);
        await assert.rejects(stranger.connect(), /./);
        stranger.disconnect();
      }
      const nobody = new Redis(redis.port, '127.0.0.1', { lazyConnect: true, protocol: 2 });
      nobody.on('error', () => {});
      await assert.rejects(nobody.get('{pe:e1:3}:meta'), /NOAUTH|./);
      nobody.disconnect();
    } finally {
      for (const client of Object.values(open)) client.disconnect();
    }
  });

  test('PostgreSQL lets the serving role write rows but not change tables or the journal', async () => {
    await using database = await sharedPostgres();
    await using parts = new AsyncDisposableStack();
    const [nats, redis] = await Promise.all([startNats(), startRedis()]);
    for (const part of [nats, redis]) parts.use(part);
    const role = `serving_${new URL(database.url).pathname.slice(1)}`;
    await createRole(database.url, role, 'p-serving');
    const serving = new URL(database.url);
    serving.username = role;
    serving.password = 'p-serving';
    const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: serving.href, LOG_LEVEL: 'warn', POLYEDGE_ADMIN_PASSWORD: 'x' };
    await assert.rejects(startService({ name: 'graph-store', env }), /run \\"node services\/graph-store\/src\/prepare.ts/);
    const first = await startService({ name: 'graph-store', env: { ...env, DATABASE_ADMIN_URL: database.url } });
    await first.stop();
    // The database is prepared, so the owner is no longer needed.
    await using _store = await startService({ name: 'graph-store', env });
    const owner = postgres(database.url, { max: 1, onnotice: () => {} });
    const sql = postgres(serving.href, { max: 1, onnotice: () => {} });
    try {
      const [elements] = await sql<{ count: number }[]>`select count(*)::integer as count from element`;
      assert.ok((elements?.count ?? 0) > 0, 'the store wrote as the serving role');
      const tables = await owner<{ name: string }[]>`
        select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`;
      const forbidden = [
        'create table other (a integer)',
        'create function other() returns integer language sql as $$ select 1 $$',
        'update journal set attributes = attributes',
        'delete from journal',
        'delete from operation',
        'delete from migration',
        'create role other',
        "copy element to program 'true'",
        "select pg_read_file('postgresql.conf')",
        ...tables.flatMap(({ name }) => [
          `drop table ${name}`,
          `alter table ${name} add column other text`,
          `truncate ${name}`,
          `create index other on ${name} ((1))`,
        ]),
      ];
      for (const statement of forbidden) await assert.rejects(sql.unsafe(statement), /permission denied|must be owner/, statement);
    } finally {
      await sql.end({ timeout: 1 });
      await _store.stop();
      await owner.unsafe(`drop owned by "${role}"; drop role "${role}"`);
      await owner.end({ timeout: 1 });
    }
  });
});

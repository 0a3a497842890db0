/** Connections to PostgreSQL that end at any moment and in any manner: nothing of theirs is left behind, and the next one serves. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeCertificates } from '@polyedge/testkit/certificates';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { postgresPrograms } from '@polyedge/testkit/servers/postgres-programs';
import { type SharedServer, sharedPostgres } from '@polyedge/testkit/servers/shared';
import { ConnectionLost, isPassing } from '../src/postgres/link.ts';
import { CallerGone, Pool, PoolFull } from '../src/postgres/pool.ts';
import { Transactions } from '../src/postgres/transactions.ts';
import { type FaultyGateway, type Manner, openFaultyGateway } from './faulty-gateway.ts';

let database: SharedServer;
/** Not through a gateway. */
let witness: Pool;
/** Uncaught errors. */
const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);

before(async () => {
  database = await sharedPostgres();
  witness = new Pool({ url: database.url, name: 'witness', max: 1 });
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
});
after(async () => {
  await witness.end();
  await database[Symbol.asyncDispose]();
});

const MANNERS: readonly Manner[] = ['reset', 'end', 'refused', 'ended'];
/** Messages of the server: the handshake, its settings (of which one stands for all), the first statement, and some more. */
const MOMENTS = [0, 1, 2, 3, 4, 10, ...Array.from({ length: 17 }, (_, n) => 17 + n)];

/** Each manner on a gateway of its own, side by side. */
const inEveryManner = (work: (manner: Manner, gateway: FaultyGateway, url: string) => Promise<void>): Promise<unknown> =>
  Promise.all(
    MANNERS.map(async (manner) => {
      await using gateway = await openFaultyGateway(Number(new URL(database.url).port));
      const through = new URL(database.url);
      through.port = String(gateway.port);
      await work(manner, gateway, through.href);
    }),
  );
/** What the end of a connection throws later has been thrown when another connection has its answer. */
const settled = async () => void (await witness.sql`select 1`);

test('a connection that ends after any message, in any manner, fails the statements on it, and the next statement is answered', async () => {
  await inEveryManner(async (manner, gateway, url) => {
    for (const messages of MOMENTS) {
      const pool = new Pool({ url, name: 'lost', max: 1 });
      gateway.fail(manner, messages);
      const statement = () => pool.sql<{ n: number }[]>`select 1::int as n, ${'x'}::text as x`.then(([row]) => row?.n);
      const outcomes = await Promise.allSettled([statement(), statement(), statement()]);
      for (const outcome of outcomes) if (outcome.status === 'fulfilled') assert.equal(outcome.value, 1);
      assert.equal(await statement(), 1, `${manner} after ${messages} messages`);
      await settled();
      await pool.end();
    }
  });
  assert.deepEqual(uncaught, []);
});

test('a search whose connection ends after any message, in any manner, fails or is answered, and so is the next one', async () => {
  await inEveryManner(async (manner, gateway, url) => {
    for (const messages of MOMENTS) {
      const pool = new Pool({ url, name: 'lost', max: 1, session: { statement_timeout: '20s' } });
      gateway.fail(manner, messages);
      const search = () => pool.sql.search(pool.sql<{ n: number }[]>`select 1::int as n, ${'x'}::text as x`).then(([row]) => row?.n);
      const outcomes = await Promise.allSettled([search(), search(), search()]);
      for (const outcome of outcomes) if (outcome.status === 'fulfilled') assert.equal(outcome.value, 1);
      assert.equal(await search(), 1, `${manner} after ${messages} messages`);
      await settled();
      await pool.end();
    }
  });
  assert.deepEqual(uncaught, []);
});

test('a transaction whose connection ends at any moment fails as a whole, and the next one gets a new connection', async () => {
  await inEveryManner(async (manner, gateway, url) => {
    for (const messages of MOMENTS) {
      const transactions = new Transactions({ url, name: 'lost' });
      gateway.fail(manner, messages);
      const transaction = () =>
        transactions.run(async (_, issuer) => {
          // Statements that travel together, as those of a batch do.
          const answers = await Promise.all([issuer.issue('begin'), issuer.issue('select $1::int as n', ['1']), issuer.issue('commit')]);
          return answers.map(({ command }) => command).join();
        });
      await transaction().catch(() => {});
      assert.equal(await transaction(), 'BEGIN,SELECT 1,COMMIT', `${manner} after ${messages} messages`);
      await settled();
      await transactions.end();
    }
  });
  assert.deepEqual(uncaught, []);
});

/** The next work gets a new connection. */
async function servesAgain(transactions: Transactions): Promise<void> {
  assert.equal(await transactions.run(async (connection) => (await connection`select 1`).count), 1);
  await settled();
  await transactions.end();
}

test('work that goes on after its connection has ended sends nothing on it', async () => {
  await inEveryManner(async (manner, gateway, url) => {
    for (let times = 0; times < 20; times += 1) {
      const transactions = new Transactions({ url, name: 'lost' });
      const work = transactions.run(async (connection) => {
        await connection`begin`;
        try {
          setTimeout(() => gateway.endAll(manner), 10);
          await connection`select pg_sleep(2)`;
        } finally {
          await connection`commit`;
        }
      });
      await assert.rejects(work, ConnectionLost);
      await servesAgain(transactions);
    }
  });
  assert.deepEqual(uncaught, []);
});

test('over TLS, where the library sends the statements of a batch, one that fails beside another one is no uncaught error', async () => {
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-lost-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o711);
  const { ca, cert, key } = makeCertificates(folder, 'postgres', postgresPrograms().user);
  const encrypted = parts.use(await startPostgres({ settings: { ssl: 'on', ssl_cert_file: cert, ssl_key_file: key } }));
  const gateway = parts.use(await openFaultyGateway(encrypted.port));
  const url = `${encrypted.url.replace(`:${encrypted.port}`, `:${gateway.port}`)}?sslrootcert=${ca}`;
  for (const manner of ['reset', 'end'] as const) {
    for (let times = 0; times < 20; times += 1) {
      const transactions = new Transactions({ url, name: 'lost' });
      const work = transactions.run(async (_, issuer) => {
        try {
          await issuer.issue('begin');
          setTimeout(() => gateway.endAll(manner), times);
          for (;;) await Promise.all([issuer.issue('select 1'), issuer.issue('select $1::int as n', ['1'])]);
        } finally {
          // The first one that fails is waited for, as in a batch.
          const [first] = [issuer.issue('select 1'), issuer.issue('commit')];
          await first;
        }
      });
      await assert.rejects(work, isPassing);
      await servesAgain(transactions);
    }
  }
  assert.deepEqual(uncaught, []);
});

test('connections that end while many statements wait for one lose the statements on them, and nothing else', async () => {
  await inEveryManner(async (manner, gateway, url) => {
    const pool = new Pool({ url, name: 'lost', max: 3 });
    const outcomes = Array.from({ length: 30 }, () =>
      pool.sql`select pg_sleep(0.01)`.then(
        () => true,
        () => false,
      ),
    );
    // Some have their answers, three are on the connections, and the others wait.
    await Promise.all(outcomes.slice(0, 6));
    gateway.endAll(manner);
    const lost = (await Promise.all(outcomes)).filter((good) => !good).length;
    // The one that is on it, and one that was sent when its end was on the way.
    assert.ok(lost <= 6, `${lost} statements were lost`);
    await settled();
    await pool.end();
  });
  assert.deepEqual(uncaught, []);
});

test('a slow database that refuses for a while collects no connections', async () => {
  await inEveryManner(async (manner, gateway, url) => {
    const name = `collected-${manner}`;
    const pool = new Pool({ url, name, max: 2 });
    gateway.delay(10);
    gateway.fail(manner, 3, 20);
    for (let n = 0; n < 10; n += 1) await Promise.allSettled([pool.sql`select 1`, pool.sql`select 1`]);
    gateway.delay(0);
    const [row] = await pool.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity where application_name = ${name}`;
    assert.ok((row?.n ?? 0) <= 2, `${row?.n} connections`);
    await pool.end();
  });
  assert.deepEqual(uncaught, []);
});

test('a statement or transaction whose caller has gone before its turn is not sent, and more than enough is refused', async () => {
  const pool = new Pool({ url: database.url, name: 'busy', max: 1 });
  const transactions = new Transactions({ url: database.url, name: 'busy' });
  await pool.sql`create temporary table begun (what text)`;
  const slow = pool.sql`select pg_sleep(0.2)`.then(() => {});
  const soon = performance.now() + 50;
  const gone = Promise.resolve(pool.sql.before(soon)`insert into begun values ('gone')`);
  const good = Promise.resolve(pool.sql.before(soon + 60_000)`insert into begun values ('good')`);
  await assert.rejects(gone, CallerGone);
  await Promise.all([slow, good]);
  assert.deepEqual(
    (await pool.sql`select what from begun`).map(({ what }) => what),
    ['good'],
  );
  const held = transactions.transact(async (connection) => await connection`select pg_sleep(0.1)`);
  await assert.rejects(
    transactions.transact(async () => assert.fail('it was begun'), performance.now() + 20),
    CallerGone,
  );
  await held;
  const holding = Array.from({ length: 2001 }, () => pool.sql`select 1`.then(() => {}));
  await assert.rejects(Promise.resolve(pool.sql`select 1`), PoolFull);
  await Promise.all(holding);
  await pool.end();
  await transactions.end();
});

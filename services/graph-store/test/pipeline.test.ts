/** Statements that travel together: what the server gets, what they return, and what becomes of those behind one that fails. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { after, before, test } from 'node:test';
import { type SharedServer, sharedPostgres } from '@polyedge/testkit/servers/shared';
import { connect, StatementFailed, sqlState } from '../src/postgres/connect.ts';
import { type Issuer, issuerOf } from '../src/postgres/pipeline.ts';
import { Transactions } from '../src/postgres/transactions.ts';

let database: SharedServer;
before(async () => {
  database = await sharedPostgres();
});
after(() => database[Symbol.asyncDispose]());

async function withIssuer<T>(work: (issuer: Issuer) => Promise<T>, url = database.url): Promise<T> {
  const transactions = new Transactions({ url, name: 'pipeline' });
  try {
    return await transactions.run((_, issuer) => work(issuer));
  } finally {
    await transactions.end();
  }
}

/** The length of the message by which the server says that it is ready. */
const READY_BYTES = 6;

function messages(bytes: Buffer, kind: string): number {
  let found = 0;
  for (let at = 0; at + 5 <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1))
    if (String.fromCharCode(bytes[at] ?? 0) === kind) found += 1;
  return found;
}

/** On the way of the bytes to the server and back. */
async function gateway(toServer: (chunk: Buffer) => void, toClient: (chunk: Buffer) => readonly Buffer[]) {
  const server = createServer((client) => {
    const upstream = dial(Number(new URL(database.url).port), '127.0.0.1');
    client.setNoDelay();
    client.on('data', (chunk: Buffer) => {
      toServer(chunk);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      for (const part of toClient(chunk)) client.write(part);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const url = new URL(database.url);
  url.port = String(address.port);
  return { url: url.href, [Symbol.dispose]: () => void server.close() };
}

/** Counts how often the client has asked for an answer, and the server has said that it is done. */
async function countingGateway() {
  const counts = { syncs: 0, ready: 0 };
  const made = await gateway(
    (chunk) => {
      // The message that opens a connection has no kind.
      if (chunk[0] !== 0) counts.syncs += messages(chunk, 'S');
    },
    (chunk) => {
      counts.ready += messages(chunk, 'Z');
      return [chunk];
    },
  );
  return { ...made, counts };
}

/** The end of the answer to a rollback comes with the answer to the next statement. */
async function splittingGateway() {
  let held: Buffer | undefined;
  return gateway(
    () => {},
    (chunk) => {
      const before = held === undefined ? [] : [held];
      held = undefined;
      if (!chunk.includes('ROLLBACK')) return [...before, chunk];
      const end = chunk.length - READY_BYTES;
      held = chunk.subarray(end);
      return [...before, chunk.subarray(0, end)];
    },
  );
}

/** What follows a failure comes with the answer to the next statement, as it may where the client is busy. */
async function lateGateway() {
  let late: Buffer | undefined;
  return gateway(
    () => {},
    (chunk) => {
      if (late !== undefined) {
        late = Buffer.concat([late, chunk]);
        if (messages(late, 'Z') < 2) return [];
        const all = late;
        late = undefined;
        return [all];
      }
      for (let at = 0; at + 5 <= chunk.length; ) {
        const isFailure = chunk[at] === 0x45;
        at += 1 + chunk.readUInt32BE(at + 1);
        if (!isFailure) continue;
        late = chunk.subarray(at);
        return [chunk.subarray(0, at)];
      }
      return [chunk];
    },
  );
}

test('statements issued together are sent in one message and answered in one, new ones too', async () => {
  using gateway = await countingGateway();
  const { counts } = gateway;
  await withIssuer(async (issuer) => {
    for (let round = 0; round < 2; round += 1) {
      const before = { ...counts };
      const answers = await Promise.all([
        issuer.issue('begin'),
        issuer.issue('select $1::int as n', [String(round)]),
        issuer.issue('commit'),
      ]);
      assert.deepEqual(
        answers.map(({ command, rows }) => [command, rows]),
        [
          ['BEGIN', []],
          ['SELECT 1', [{ n: round }]],
          ['COMMIT', []],
        ],
      );
      assert.deepEqual({ syncs: counts.syncs - before.syncs, ready: counts.ready - before.ready }, { syncs: 1, ready: 1 });
    }
  }, gateway.url);
});

const VALUES = `select 9007199254740991::bigint as big, 7::smallint as small, true as yes, false as no, null::text as nothing, ''::text as empty,
  'ä €'::text as text, '\\x00ff'::bytea as bytes, '{"large":12345678901234567890,"a":[1]}'::json as plain, '{"b":null}'::jsonb as binary,
  repeat('x', 300000) as long, $1::text as given`;

test('rows equal those of the library', async () => {
  const expected = { given: "it's \\ $1 ä" };
  const sql = connect({ url: database.url, name: 'library', max: 1 });
  await sql`select 1`;
  const connection = await sql.reserve();
  const [byLibrary] = await issuerOf(connection).rows<typeof expected>(VALUES, [expected.given]);
  connection.release();
  await sql.end();
  const found = await withIssuer((issuer) =>
    Promise.all([1, 2].map(async () => (await issuer.rows<typeof expected>(VALUES, [expected.given]))[0])),
  );
  assert.equal(byLibrary?.given, expected.given);
  for (const row of found) assert.deepEqual(row, { ...byLibrary });
});

test('when a statement fails, those behind it fail with it and are not carried out, and the connection serves on', async () => {
  const transactions = new Transactions({ url: database.url, name: 'pipeline' });
  const insert = 'insert into done values ($1::int)';
  await transactions.run((_, issuer) => issuer.issue('create temporary table done (n int)'));
  const failing = transactions.run(async (_, issuer) => {
    const work = [
      issuer.issue('begin'),
      issuer.issue(insert, ['1']),
      issuer.issue('select 1 / $1::int', ['0']),
      issuer.issue(insert, ['2']),
      issuer.issue('commit'),
    ];
    const outcomes = await Promise.allSettled(work);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'rejected', 'rejected'],
    );
    await Promise.all(work);
  });
  await assert.rejects(failing, (error) => error instanceof StatementFailed && sqlState(error) === '22012');
  const rows = await transactions.run(async (connection, issuer) => [
    await issuer.rows('select count(*)::int as n from done'),
    await issuer.issue('select 4 / $1::int as n', ['2']),
    [...(await connection`select 3 as n`)],
  ]);
  assert.deepEqual(rows, [[{ n: 0 }], { rows: [{ n: 2 }], command: 'SELECT 1' }, [{ n: 3 }]]);
  await transactions.end();
});

for (const [when, made] of [
  ['is sent between a failure and the end of its answer', lateGateway],
  ['has an answer that ends only after the next statement was sent', splittingGateway],
] as const)
  test(`a rollback that ${when} is answered, and the connection serves on`, async () => {
    using between = await made();
    const transactions = new Transactions({ url: between.url, name: 'pipeline' });
    const pid = () => transactions.run((_, issuer) => issuer.rows('select pg_backend_pid() as pid'));
    const before = await pid();
    const failing = transactions.run((_, issuer) => Promise.all([issuer.issue('begin'), issuer.issue('select 1 / $1::int', ['0'])]));
    await assert.rejects(failing, (error) => error instanceof StatementFailed && sqlState(error) === '22012');
    assert.deepEqual([await pid(), await pid()], [before, before]);
    await transactions.end();
  });

test('a statement that a change of its table has made another one is prepared again by the next attempt', async () => {
  await withIssuer(async (issuer) => {
    await issuer.issue('create temporary table changing (a int)');
    const look = () => issuer.issue('select * from changing');
    await look();
    await issuer.issue('alter table changing add column b int');
    await issuer.issue('insert into changing values (1, 2)');
    await assert.rejects(look(), (error) => sqlState(error) === '0A000');
    assert.deepEqual((await look()).rows, [{ a: 1, b: 2 }]);
  });
});

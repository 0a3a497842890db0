import { randomBytes } from 'node:crypto';
import { createDatabase, dropDatabase, startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

/** A server that a test may use but must not stop or break, because other tests may use it at the same time. */
export type SharedServer = AsyncDisposable & { readonly url: string };

/** The variables through which `npm test` passes its servers to all test files. */
export const sharedServerVariables = { redis: 'TEST_REDIS_URL', postgres: 'TEST_DATABASE_URL' } as const;

/** A Redis server: the one of the whole run (`TEST_REDIS_URL`), else a new one. Keys on a shared server need a prefix unique to the test. */
export async function sharedRedis(): Promise<SharedServer> {
  return given('redis') ?? (await startRedis());
}

/**
 * A new, empty database on the PostgreSQL of the whole run (`TEST_DATABASE_URL`), else on a new server. It is dropped at the end.
 */
export async function sharedPostgres(): Promise<SharedServer> {
  const server = given('postgres');
  if (server === undefined) return startPostgres();
  const name = `test_${randomBytes(8).toString('hex')}`;
  if (!(await createDatabase(server.url, name)))
    throw new Error(`The PostgreSQL server of ${sharedServerVariables.postgres} does not answer.`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return { url: url.href, [Symbol.asyncDispose]: () => dropDatabase(server.url, name) };
}

function given(kind: keyof typeof sharedServerVariables): SharedServer | undefined {
  const url = process.env[sharedServerVariables[kind]];
  return url === undefined || url === '' ? undefined : { url, [Symbol.asyncDispose]: async () => {} };
}

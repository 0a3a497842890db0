import { randomBytes } from 'node:crypto';
import { startNats } from './nats.ts';
import { createDatabase, dropDatabase, startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

/** A server that a test may use but neither stop nor break, since other tests may use it at the same time. */
export type SharedServer = AsyncDisposable & { readonly url: string };

/** The variables by which `npm test` hands its servers to all test files. */
export const sharedServerVariables = { nats: 'TEST_NATS_URL', redis: 'TEST_REDIS_URL', postgres: 'TEST_DATABASE_URL' } as const;

/**
 * A NATS server: the one of the whole run (`TEST_NATS_URL`), else one of its own. Subjects of a shared one are heard by all its users:
 * a test that runs services starts its own with `startNats`.
 */
export async function sharedNats(): Promise<SharedServer> {
  return given('nats') ?? (await startNats());
}

/** A Redis server: the one of the whole run (`TEST_REDIS_URL`), else one of its own. Keys of a shared one need a prefix of the test's own. */
export async function sharedRedis(): Promise<SharedServer> {
  return given('redis') ?? (await startRedis());
}

/**
 * An empty database of its own on the PostgreSQL of the whole run (`TEST_DATABASE_URL`), else on a server of its own. It is dropped at the end.
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

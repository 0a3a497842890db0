import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { connect } from '../src/postgres/connect.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { Pool } from '../src/postgres/pool.ts';

/** A pool of one connection to a database of its own with all tables. Disposing of it drops the database. */
export async function preparedPool(): Promise<AsyncDisposable & { readonly pool: Pool; readonly options: { readonly url: string } }> {
  const database = await sharedPostgres();
  const sql = connect({ url: database.url, name: 'test', max: 1 });
  await sql.begin((transaction) => migrate(transaction, 16));
  await sql.end();
  const pool = new Pool({ url: database.url, name: 'test', max: 1 });
  return {
    pool,
    options: { url: database.url },
    [Symbol.asyncDispose]: async () => {
      await pool.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

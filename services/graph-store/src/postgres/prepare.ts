/**
 * Migrates the database to this version and grants the serving role its rights: as the owner if one is configured, else as the serving
 * role.
 */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { sqlState } from './connect.ts';
import { migrate, missingMigrations } from './migrate.ts';
import { grantServing } from './serving-role.ts';
import { Transactions } from './transactions.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

interface Prepared {
  /** A URL for the same database as its owner. */
  readonly databaseAdminUrl: string | undefined;
  readonly partitions: number;
}

/**
 * @param serving a connection of `DATABASE_URL`, which needs no right to change tables if there is an owner
 * @returns the numbers of the migrations applied now. Throws `CannotStart` if some are missing and cannot be applied
 */
export async function prepare(config: Prepared, serving: Transactions): Promise<readonly number[]> {
  const { databaseAdminUrl, partitions } = config;
  if (databaseAdminUrl === undefined) {
    const missing = await serving.run(missingMigrations);
    if (missing.length === 0) return [];
    try {
      return await serving.transact((transaction) => migrate(transaction, partitions));
    } catch (error) {
      if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
      throw new CannotStart(
        `the database lacks the migrations ${missing.join(', ')} and this role may not apply them: run "node services/graph-store/src/prepare.ts" with DATABASE_ADMIN_URL`,
      );
    }
  }
  const owner = new Transactions({ url: databaseAdminUrl, name: 'graph-store-prepare' });
  try {
    const applied = await owner.transact((transaction) => migrate(transaction, partitions));
    const [role, self] = [await userOf(serving), await userOf(owner)];
    if (role !== self) await owner.transact((transaction) => grantServing(transaction, role));
    return applied;
  } finally {
    await owner.end();
  }
}

const userOf = (transactions: Transactions): Promise<string> =>
  transactions.run(async (connection) => {
    const [row] = await connection<{ name: string }[]>`select current_user as name`;
    return row?.name ?? '';
  });

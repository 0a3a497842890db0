/** Brings the database to this version and gives the serving role its rights: as the owner where one is named, else as who serves. */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import type { Config } from '@polyedge/service-kit/settings';
import type { settings } from '../config.ts';
import { connect, type Sql, sqlState } from './connect.ts';
import { migrate, missingMigrations } from './migrate.ts';
import { grantServing } from './serving-role.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * @param serving a connection of `DATABASE_URL`; it needs no right to change tables unless it is alone.
 * @returns the numbers of the migrations applied now. Throws `CannotStart` when some are missing and nobody here may apply them.
 */
export async function prepare(
  config: Pick<Config<typeof settings>, 'databaseUrl' | 'databaseAdminUrl' | 'partitions'>,
  serving: Sql,
): Promise<readonly number[]> {
  if (config.databaseAdminUrl === undefined) {
    const missing = await missingMigrations(serving);
    if (missing.length === 0) return [];
    try {
      return await migrate(serving, config.partitions);
    } catch (error) {
      if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
      throw new CannotStart(
        `the database lacks the migrations ${missing.join(', ')} and this role may not apply them: run "node services/graph-store/src/prepare.ts" with DATABASE_ADMIN_URL`,
      );
    }
  }
  const owner = connect({ url: config.databaseAdminUrl, name: 'graph-store-prepare', max: 1 });
  try {
    const applied = await migrate(owner, config.partitions);
    const [role] = await serving<{ name: string }[]>`select current_user as name`;
    const [self] = await owner<{ name: string }[]>`select current_user as name`;
    if (role !== undefined && role.name !== self?.name) await grantServing(owner, role.name);
    return applied;
  } finally {
    await owner.end({ timeout: 2 });
  }
}

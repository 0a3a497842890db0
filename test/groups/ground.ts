/** The system of the torture test: servers, a store, two edges, and the group's organization, which may have a second journal to move to. */
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import type postgres from 'postgres';
import { login } from '../../services/hiro-edge/test/system.ts';
import { ADMINS, acmeAdmin, PLACED, SECOND } from '../journals/system.ts';
import { withDatabase } from '../with-database.ts';
import type { Takeover } from './model.ts';
import { now } from './time.ts';

export interface Ground extends AsyncDisposable {
  readonly redis: RunningServer;
  readonly store: RunningService;
  /** An edge without faults, and one that is killed and suspended. */
  readonly steady: RunningService;
  readonly frail: RunningService;
  /** The token of the organization's administrator. */
  readonly token: string;
  /** The journals between which the organization moves, with their databases; `main` first. Empty if it does not move. */
  readonly journals: ReadonlyMap<string, string>;
  /** The changes of a type in journal order, with their writers' numbers. */
  truth(type: string): Promise<readonly Written[]>;
  /** The times at which partitions of groups got an owner, in every journal. */
  takeovers(): Promise<readonly Takeover[]>;
}

export interface Written {
  readonly n: number;
  readonly element: string;
  readonly partition: number;
}

/** The organization that moves. */
export const MOVED = PLACED;

/**
 * @param moves whether there is a second journal to which the organization can move
 * @param confirmMs how long members may leave deliveries unconfirmed
 */
export async function startGround(moves: boolean, confirmMs = 2000): Promise<Ground> {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, main, second] = await Promise.all([
    startNats(),
    startRedis(),
    sharedPostgres(),
    moves ? sharedPostgres() : Promise.resolve(undefined),
  ]);
  for (const part of [nats, redis, main]) parts.use(part);
  if (second !== undefined) parts.use(second);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, LOG_LEVEL: 'warn' };
  const databases = { DATABASE_URL: main.url, ...(second === undefined ? {} : { POLYEDGE_JOURNALS: `${SECOND}=${second.url}` }) };
  const { username, password } = ADMINS.default;
  const admin = { POLYEDGE_ADMIN_USERNAME: username, POLYEDGE_ADMIN_PASSWORD: password };
  const store = parts.use(await startService({ name: 'graph-store', env: { ...common, ...databases, ...admin } }));
  const databaseUrls = [main, ...(second === undefined ? [] : [second])].map(({ url }) => url);
  await Promise.all(databaseUrls.map((url) => withDatabase(url, recordTakeovers)));
  const startEdge = () => startService({ name: 'hiro-edge', env: { ...common, HIRO_CONFIRM_MS: String(confirmMs) } });
  const [steady, frail] = await Promise.all([startEdge(), startEdge()]);
  parts.use(steady);
  parts.use(frail);
  if (moves) {
    const connected = await connectNatsBus({ url: nats.url, service: 'test' });
    if (!connected.ok) throw new Error(connected.failure.detail);
    await acmeAdmin(connected.value);
    await connected.value.close();
  }
  const { _TOKEN: token } = await login(steady.url, moves ? ADMINS.acme : ADMINS.default);
  const kept = parts.move();
  return {
    redis,
    store,
    steady,
    frail,
    token,
    journals: new Map(second === undefined ? [] : [['main', main.url] as const, [SECOND, second.url] as const]),
    async truth(type) {
      const found = await Promise.all(databaseUrls.map((url) => changesOf(url, type)));
      const [rows = [], ...others] = found.filter((each) => each.length > 0);
      if (others.length > 0) throw new Error('changes are in two journals');
      return rows;
    },
    takeovers: async () => (await Promise.all(databaseUrls.map((url) => withDatabase(url, takeoversOf)))).flat(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const changesOf = (url: string, type: string): Promise<readonly Written[]> =>
  withDatabase(url, async (sql) => {
    const rows = await sql<{ n: string; element: string; partition: number }[]>`
      select attributes ->> '/n' as n, element, slot % (select partitions from journal_identity) as partition
      from journal where type = ${type} order by seq`;
    return rows.map(({ n, element, partition }) => ({ n: Number(n), element, partition }));
  });

/** Fences are raised only when a partition gets an owner. */
async function recordTakeovers(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create table takeover (taken_on timestamptz not null default clock_timestamp(), partition smallint not null);
    create function record_takeover() returns trigger language plpgsql as $$ begin
      insert into takeover (partition) values (new.partition);
      return null;
    end $$;
    create trigger recorded after update on group_position for each row when (new.fence > old.fence) execute function record_takeover()`);
}

async function takeoversOf(sql: postgres.Sql): Promise<readonly Takeover[]> {
  const asked = now();
  const [clock] = await sql<{ wall: number }[]>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as wall`;
  const offset = (asked + now()) / 2 - (clock?.wall ?? 0);
  const rows = await sql<{ wall: number; partition: number }[]>`
    select (extract(epoch from taken_on) * 1000)::float8 as wall, partition from takeover`;
  return rows.map(({ wall, partition }) => ({ at: wall + offset, partition }));
}

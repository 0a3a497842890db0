/** graph-store, wired by hand: parts start in the order written here and stop in reverse. */

import { HotJournal } from '@polyedge/journal/hot-journal';
import { connectRedis } from '@polyedge/journal/redis';
import { parseOwnJson } from '@polyedge/query/json-text';
import { connectBus } from '@polyedge/service-kit/connect-bus';
import { startHealthServer } from '@polyedge/service-kit/health';
import { CannotStart, type Running } from '@polyedge/service-kit/lifecycle';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { ApiKeys } from './accounts/api-keys.ts';
import { AuthVertices } from './accounts/auth-vertices.ts';
import { bootstrap } from './accounts/bootstrap.ts';
import { Codes } from './accounts/codes.ts';
import { Directory } from './accounts/directory.ts';
import { FailedLogins } from './accounts/failed-logins.ts';
import { HashQueue } from './accounts/hash-queue.ts';
import { loadKeys, makeSeal, WrongSecret } from './accounts/keys.ts';
import { PARALLEL_HASHES } from './accounts/password.ts';
import { answerAccounts, tellRevocation } from './bus/accounts.ts';
import { answerChanges } from './bus/changes.ts';
import { answerGroups } from './bus/groups.ts';
import { answerMutations } from './bus/mutate.ts';
import { answerReads } from './bus/read.ts';
import type { settings } from './config.ts';
import { Schemas } from './core/schema.ts';
import { Executor } from './executor/executor.ts';
import { exportMetrics } from './metrics.ts';
import { whenAnswered } from './postgres/answers.ts';
import { Blobs } from './postgres/blobs.ts';
import { missingDurability, READER_SESSION, WRITER_SESSION } from './postgres/connect.ts';
import { settleEpoch, type Tip } from './postgres/epoch.ts';
import { GroupPositions } from './postgres/groups.ts';
import { openJournal } from './postgres/journal.ts';
import { LeaseRow } from './postgres/lease.ts';
import { keepPartitions } from './postgres/partitions.ts';
import { Pool } from './postgres/pool.ts';
import { prepare } from './postgres/prepare.ts';
import { Reader } from './postgres/read.ts';
import { Series } from './postgres/series.ts';
import { Transactions } from './postgres/transactions.ts';
import { prepareWrites } from './postgres/write.ts';
import { Publisher } from './publisher/publisher.ts';
import { RecentChanges } from './publisher/recent.ts';
import { Taking } from './taking.ts';
import { Traces } from './traces.ts';

/** A database that takes longer to answer counts as away. */
const SILENT_MS = 3000;
/** How often PostgreSQL is asked whether it answers. */
const WATCH_MS = 500;
/** How long Redis may take to say what it ends with before publishing begins without it. */
const TIPS_MS = 1000;

export async function start(config: Config<typeof settings>, context: ServiceContext): Promise<Running> {
  const { log } = context;
  const name = `graph-store-${context.instance}`;
  if (config.secretKey.length < 16) throw new CannotStart('POLYEDGE_SECRET_KEY has fewer than 16 characters');
  if (!Number.isInteger(Math.log2(config.partitions))) throw new CannotStart('GRAPH_STORE_PARTITIONS is not a power of two');

  // Its connection is idle but for the question whether PostgreSQL answers: when it ends, PostgreSQL is probably gone.
  const admin = new Pool({ url: config.databaseUrl, name: `${name}-admin`, max: 1, onClose: () => databaseLost() });
  let databaseLost = (): void => {};
  const writer = new Transactions({ url: config.databaseUrl, name: `${name}-write`, session: WRITER_SESSION }, prepareWrites);
  const largeWriter = new Transactions({ url: config.databaseUrl, name: `${name}-large`, session: WRITER_SESSION }, prepareWrites);
  const small = new Transactions({ url: config.databaseUrl, name: `${name}-small`, session: READER_SESSION });
  const settling = new Transactions({ url: config.databaseUrl, name: `${name}-settle`, session: READER_SESSION });
  const readers = new Pool({ url: config.databaseUrl, name: `${name}-read`, max: config.readConnections, session: READER_SESSION });
  // A renewal of the lease must not wait behind the reading of large changes.
  const leasing = new Pool({ url: config.databaseUrl, name: `${name}-lease`, max: 1, session: { statement_timeout: '2s' } });
  const publishing = new Pool({
    url: config.databaseUrl,
    name: `${name}-publish`,
    max: 2,
    session: { statement_timeout: '10s' },
    // Whatever answers next may be an older copy, or a standby that lacks the last commits, in which the lease still looks like ours.
    onClose: () => publisherLost(),
  });
  let publisherLost = (): void => {};
  const pools = [admin, readers, leasing, publishing];
  const transactions = [writer, largeWriter, small, settling];
  const patience = {
    waitMs: config.databaseWaitMs,
    onWait: (err: string) => log.warn('waiting for PostgreSQL', { err }),
  };
  const starting = new Transactions({ url: config.databaseUrl, name: `${name}-start` });
  const unsafe = await whenAnswered(patience, () => starting.run(missingDurability));
  if (unsafe.length > 0 && !config.allowUnsafeDatabase) {
    throw new CannotStart(
      `PostgreSQL has ${unsafe.join(', ')} off, so acknowledged writes could be lost; set GRAPH_STORE_ALLOW_UNSAFE_DATABASE=true to accept that`,
    );
  }
  const notices = unsafe.map((setting) => `PostgreSQL has ${setting} off: acknowledged writes can be lost`);
  const applied = await whenAnswered(patience, () => prepare(config, starting));
  if (applied.length > 0) log.info(`applied migrations ${applied.join(', ')}`);
  await whenAnswered(patience, () => keepPartitions(admin.sql, Date.now(), config.journalRetentionMs));
  const { partitions, keys } = await whenAnswered(patience, () =>
    starting.transact(async (transaction) => {
      const [identity] = await transaction<{ partitions: number }[]>`select partitions from journal_identity`;
      return {
        partitions: identity?.partitions ?? config.partitions,
        keys: await loadKeys(transaction, makeSeal(config.secretKey, 'signing key')),
      };
    }),
  ).catch((error: unknown) => {
    throw error instanceof WrongSecret ? new CannotStart(error.message) : error;
  });
  await starting.end();

  const bus = await connectBus(config, context);
  const redis = connectRedis({ url: config.redisUrl, name, onError: () => {} });
  const journal = openJournal(publishing.sql);
  // What edges ask for does not keep the publisher waiting.
  const journalBefore = (deadline: number) => openJournal(readers.sql.before(deadline));
  const recent = new RecentChanges();
  const traces = context.spans === undefined ? undefined : new Traces(context.spans);
  const publisher = new Publisher({
    bus,
    redis,
    journal,
    recent,
    lease: new LeaseRow(leasing.sql, context.instance),
    partitions,
    log,
    traces,
    settle: async () => {
      const { tips, witnessed } = await witness(TIPS_MS);
      const { epoch, changed, reason = '' } = await settleEpoch(settling, tips);
      if (changed) log.warn(`a new epoch begins: ${reason}`);
      return { epoch, witnessed };
    },
  });
  publisherLost = () => publisher.databaseLost();
  let taking: Taking | undefined;
  const executor = new Executor({
    traces,
    writers: { small: writer, large: largeWriter },
    readers,
    schemas: new Schemas(),
    log,
    onCommitted: (changes) => publisher.committed(changes),
    onOverload: (overloaded) => {
      log.warn(overloaded ? 'too many writes wait: refusing further ones' : 'taking writes again');
      taking?.overloaded(overloaded);
    },
  });
  const hashes = new HashQueue(PARALLEL_HASHES);
  const vertices = new AuthVertices(readers.sql, executor);
  const directory = new Directory({
    vertices,
    hashes,
    sql: readers.sql,
    executor,
    keys,
    failedLogins: new FailedLogins(
      readers.sql,
      { perAccount: config.loginFailuresPerAccount, perAddress: config.loginFailuresPerAddress, windowMs: config.loginWindowMs },
      config.secretKey,
    ),
    accessMs: (protocol) => (protocol === 'hiro' ? config.hiroTokenMs : protocol === 'saga' ? config.sagaTokenMs : config.tokenMs),
    refreshMs: config.refreshTokenMs,
    onRevoked: (revocation) => tellRevocation(bus, revocation),
  });
  const administrator = config.adminPassword === undefined ? undefined : { username: config.adminUsername, password: config.adminPassword };
  const { defaultScope } = await whenAnswered(patience, () => bootstrap(readers.sql, executor, directory, vertices, administrator));

  publisher.start();
  const mutations = answerMutations(bus, executor, traces);
  taking = new Taking(mutations);
  const blobs = new Blobs(readers.sql, small, config.maxBlobBytes);
  const series = new Series(readers.sql);
  const groups = new GroupPositions(readers.sql, small, partitions, { idleMs: config.groupIdleMs, maxLag: config.maxGroupLag });
  const accounts = answerAccounts({
    bus,
    directory,
    codes: new Codes(readers.sql, directory),
    keys,
    apiKeys: new ApiKeys(readers.sql, small, makeSeal(config.secretKey, 'API key')),
    defaultScope,
  });
  const responders = [
    mutations,
    ...answerReads(bus, { reader: new Reader(readers.sql), blobs, series }),
    ...answerChanges(bus, { journal: journalBefore, recent, partitions }),
    ...answerGroups(bus, { positions: groups, journal: journalBefore, partitions }),
    ...accounts.responders,
  ];
  exportMetrics(context.metrics, {
    executor,
    hashes: hashes.stats,
    taking: taking.stats,
    publisher: publisher.stats,
    appender: publisher.appenderStats,
    groups: groups.stats,
  });
  const longestMs = Math.max(config.hiroTokenMs, config.sagaTokenMs, config.tokenMs);
  const sweeping = setInterval(() => void sweep(), config.sweepMs);
  const health = await startHealthServer({ host: config.host, port: config.port, ready: context.ready, notices });
  log.info(`answers on the bus; health on port ${health.port}`);

  let databaseAnswers = true;
  let asking = false;
  const watching = setInterval(() => void watchDatabase(), WATCH_MS);
  databaseLost = () => {
    databaseAnswers = false;
  };
  return {
    ready: () => (!databaseAnswers ? 'PostgreSQL does not answer' : bus.status === 'connected' ? true : 'NATS does not answer'),
    async drain() {
      taking?.end();
      for (const responder of responders) responder.leave();
      await Promise.all(responders.map((responder) => responder.stop()));
      await executor.stop();
    },
    async stop() {
      clearInterval(sweeping);
      clearInterval(watching);
      accounts.stop();
      await publisher.stop();
      redis.disconnect();
      await bus.close();
      await health.stop();
      await Promise.all(transactions.map((each) => each.end()));
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };

  /** What Redis ends with, as far as it says so at once: it may be away, and is then no witness until it comes back. */
  async function witness(withinMs: number): Promise<{ readonly tips: Tip[]; readonly witnessed: boolean }> {
    const { epoch } = await journal.position();
    const hot = new HotJournal(redis, epoch);
    const newest = Promise.all(Array.from({ length: partitions }, (_, partition) => hot.newest(partition)));
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), withinMs));
    const found = await Promise.race([newest.catch(() => undefined), late]);
    const tips = (found ?? []).flatMap((entry) => {
      if (entry === undefined || entry.json === '') return [];
      const { operationId, id } = parseOwnJson(entry.json) as { operationId: string; id: string };
      return [{ seq: entry.seq, epoch, operationId, element: id }];
    });
    return { tips, witnessed: found !== undefined };
  }

  async function sweep(): Promise<void> {
    try {
      await keepPartitions(admin.sql, Date.now(), config.journalRetentionMs);
      await directory.sweep(longestMs);
      await blobs.sweep();
      await series.sweep();
      for (const { name, why } of await groups.sweep())
        log.info(why === 'idle' ? 'a consumer group was forgotten: nobody came back' : 'a consumer group was forgotten: too far behind', {
          id: name,
        });
    } catch (error) {
      log.warn('sweeping failed', { err: error });
    }
  }

  async function watchDatabase(): Promise<void> {
    // One question at a time: a database that stands still must not collect them.
    if (asking) return;
    asking = true;
    const silence = setTimeout(() => {
      databaseAnswers = false;
    }, SILENT_MS);
    try {
      await admin.sql`select 1`;
      databaseAnswers = true;
    } catch {
      databaseAnswers = false;
    } finally {
      clearTimeout(silence);
      asking = false;
    }
  }
}

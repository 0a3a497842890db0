/**
 * One journal, served: its database, executor, publisher, and the handlers of requests about its elements, changes and groups. Composed
 * explicitly, top to bottom.
 */
import { MAIN } from '@polyedge/contracts/journal';
import { HotJournal } from '@polyedge/journal/hot-journal';
import type { Redis } from '@polyedge/journal/redis';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import type { Log } from '@polyedge/service-kit/log';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { AdmissionControl } from './admission-control.ts';
import { answerChanges } from './bus/changes.ts';
import { answerGroups } from './bus/groups.ts';
import { answerMutations } from './bus/mutate.ts';
import { answerReads } from './bus/read.ts';
import type { settings } from './config.ts';
import { Schemas } from './core/schema.ts';
import { Executor } from './executor/executor.ts';
import { type JournalPlace, journalsOf } from './journals.ts';
import { exportMetrics } from './metrics.ts';
import { DecidedMoves } from './placing/decided-moves.ts';
import { Blobs } from './postgres/blobs.ts';
import { type Connection, READER_SESSION, unsafeSettings, WRITER_SESSION } from './postgres/connect.ts';
import { decideEpoch, type Tip } from './postgres/epoch.ts';
import { GroupPositions } from './postgres/groups.ts';
import { openJournal } from './postgres/journal.ts';
import { LeaseRow } from './postgres/lease.ts';
import { Lookups } from './postgres/lookups.ts';
import { keepPartitions } from './postgres/partitions.ts';
import { Pool } from './postgres/pool.ts';
import { prepare } from './postgres/prepare.ts';
import { Reader } from './postgres/read.ts';
import { Series } from './postgres/series.ts';
import { endOldFences } from './postgres/tenants-elsewhere.ts';
import { Transactions } from './postgres/transactions.ts';
import { type DatabaseWait, whenReachable } from './postgres/when-reachable.ts';
import { prepareWrites } from './postgres/write.ts';
import { Publisher } from './publisher/publisher.ts';
import { RecentChanges } from './publisher/recent.ts';
import { Traces } from './traces.ts';

/** A database that takes longer to answer counts as unavailable. */
const SILENT_MS = 3000;
/** Interval of checking that PostgreSQL answers, and whether moves of tenants need to be completed. */
const WATCH_MS = 500;
/** How long the publisher waits for Redis to report its last entries before it begins without them. */
const TIPS_MS = 1000;

/** A journal whose database has this version's schema. */
export interface PreparedJournal {
  readonly place: JournalPlace;
  readonly partitions: number;
  /** Notices for the operator about its database. */
  readonly notices: readonly string[];
}

/**
 * Waits for the database and migrates it to this version.
 * @param before runs in a transaction after that; again if the connection breaks
 */
export async function prepareJournal(
  place: JournalPlace,
  config: Config<typeof settings>,
  context: ServiceContext,
  before: (transaction: Connection) => Promise<void> = async () => {},
): Promise<PreparedJournal> {
  const log = logOf(context, place.name);
  const starting = new Transactions({ url: place.databaseUrl, name: `graph-store-${context.instance}-start` });
  const patience = databaseWait(config, log);
  const unsafe = await whenReachable(patience, () => starting.run(unsafeSettings));
  if (unsafe.length > 0 && !config.allowUnsafeDatabase) {
    throw new CannotStart(
      `PostgreSQL has ${unsafe.join(', ')}, so acknowledged writes could be lost; set GRAPH_STORE_ALLOW_UNSAFE_DATABASE=true to accept that`,
    );
  }
  const applied = await whenReachable(patience, () => prepare({ ...place, partitions: config.partitions }, starting));
  if (applied.length > 0) log.info(`applied migrations ${applied.join(', ')}`);
  await whenReachable(patience, () =>
    starting.run((connection) => keepPartitions((text, ...values) => connection(text, ...values), Date.now(), config.journalRetentionMs)),
  );
  const partitions = await whenReachable(patience, () =>
    starting.transact(async (transaction) => {
      await before(transaction);
      const [identity] = await transaction<{ partitions: number }[]>`select partitions from journal_identity`;
      return identity?.partitions ?? config.partitions;
    }),
  );
  await starting.end();
  return {
    place,
    partitions,
    notices: unsafe.map((setting) => `PostgreSQL has ${setting}: acknowledged writes can be lost`),
  };
}

/** Log lines of journals other than `main` contain the journal's name. */
const logOf = ({ log }: ServiceContext, journal: string): Log => (journal === MAIN ? log : log.with({ journal }));

/** How long a start waits for an unavailable database. */
export const databaseWait = ({ databaseWaitMs: waitMs }: Config<typeof settings>, log: Log): DatabaseWait => ({
  waitMs,
  onWait: (err) => log.warn('waiting for PostgreSQL', { err }),
});

export class JournalPart {
  readonly name: string;
  /** For rare statements. */
  readonly admin: Pool;
  readonly readers: Pool;
  /** Small transactions. */
  readonly small: Transactions;
  readonly executor: Executor;
  /** Notices for the operator about its database. */
  readonly notices: readonly string[];
  readonly #config: Config<typeof settings>;
  readonly #context: ServiceContext;
  readonly #bus: Bus;
  readonly #traces: Traces | undefined;
  readonly #pools: readonly Pool[];
  readonly #transactions: readonly Transactions[];
  readonly #publisher: Publisher;
  readonly #recent: RecentChanges;
  readonly #partitions: number;
  readonly #moves: DecidedMoves;
  readonly #sweeps: (() => Promise<unknown>)[] = [];
  #responders: readonly Responder[] = [];
  #admission: AdmissionControl | undefined;
  #watching: NodeJS.Timeout | undefined;
  #databaseAnswers = true;
  #isChecking = false;

  /**
   * Nothing is answered or published before `serve`.
   * @param bus of this journal
   */
  constructor({
    place: { name, databaseUrl: url },
    partitions,
    notices,
    config,
    context,
    bus,
    redis,
  }: PreparedJournal & {
    readonly config: Config<typeof settings>;
    readonly context: ServiceContext;
    readonly bus: Bus;
    readonly redis: Redis;
  }) {
    const log = logOf(context, name);
    const self = `graph-store-${context.instance}`;
    this.name = name;
    this.notices = notices;
    this.#config = config;
    this.#context = { ...context, log };
    this.#bus = bus;
    this.#partitions = partitions;
    // Its connection is idle except for health checks: if it ends, PostgreSQL has probably stopped.
    this.admin = new Pool({
      url,
      name: `${self}-admin`,
      max: 1,
      onClose: () => {
        this.#databaseAnswers = false;
      },
    });
    const writer = new Transactions({ url, name: `${self}-write`, session: WRITER_SESSION }, prepareWrites);
    const largeWriter = new Transactions({ url, name: `${self}-large`, session: WRITER_SESSION }, prepareWrites);
    this.small = new Transactions({ url, name: `${self}-small`, session: READER_SESSION });
    const settling = new Transactions({ url, name: `${self}-settle`, session: READER_SESSION });
    this.readers = new Pool({ url, name: `${self}-read`, max: config.readConnections, session: READER_SESSION });
    // Renewing the lease must not wait for reads of large changes.
    const leasing = new Pool({ url, name: `${self}-lease`, max: 1, session: { statement_timeout: '2s' } });
    const publishing = new Pool({
      url,
      name: `${self}-publish`,
      max: 2,
      session: { statement_timeout: '10s' },
      // The next server may be an older copy, or a standby without the last commits, in which the lease still seems to be ours.
      onClose: () => this.#publisher.databaseLost(),
    });
    this.#pools = [this.admin, this.readers, leasing, publishing];
    this.#transactions = [writer, largeWriter, this.small, settling];
    this.#moves = new DecidedMoves({ name, journal: this.admin.sql, places: journalsOf(config), application: self, log });
    const journal = openJournal(publishing.sql);
    this.#recent = new RecentChanges();
    this.#traces = context.spans === undefined ? undefined : new Traces(context.spans);
    this.#publisher = new Publisher({
      bus,
      redis,
      name,
      journal,
      recent: this.#recent,
      lease: new LeaseRow(leasing.sql, context.instance),
      partitions,
      log,
      traces: this.#traces,
      settle: async () => {
        const { epoch: known } = await journal.position();
        const { tips, witnessed } = await witness(new HotJournal(redis, known, name), partitions, TIPS_MS);
        const { epoch, changed, reason = '' } = await decideEpoch(settling, tips);
        if (changed) log.warn(`a new epoch begins: ${reason}`);
        return { epoch, comparedWithRedis: witnessed };
      },
    });
    this.executor = new Executor({
      traces: this.#traces,
      writers: { small: writer, large: largeWriter },
      readers: this.readers,
      schemas: new Schemas(),
      log,
      onCommitted: (changes) => this.#publisher.committed(changes),
      onOverload: (overloaded) => {
        log.warn(overloaded ? 'too many writes wait: refusing further ones' : 'taking writes again');
        this.#admission?.overloaded(overloaded);
      },
    });
  }

  /** Starts publishing, answering, and deleting expired data. */
  async serve(): Promise<void> {
    const { log, metrics } = this.#context;
    const config = this.#config;
    const bus = this.#bus;
    const partitions = this.#partitions;
    const readers = this.readers.sql;
    this.#publisher.start();
    // Requests of edges must not delay the publisher.
    const journal = (deadline: number) => openJournal(readers.before(deadline));
    const mutations = answerMutations(bus, this.executor, this.#traces);
    const admission = new AdmissionControl(mutations);
    this.#admission = admission;
    const blobs = new Blobs(readers, this.small, config.maxBlobBytes);
    const series = new Series(readers);
    const groups = new GroupPositions(readers, this.small, partitions, { idleMs: config.groupIdleMs, maxLag: config.maxGroupLag });
    this.#responders = [
      mutations,
      ...answerReads(bus, { reader: new Reader(readers, new Lookups(this.readers)), blobs, series }),
      ...answerChanges(bus, { journal, recent: this.#recent, partitions }),
      ...answerGroups(bus, { positions: groups, journal, partitions }),
    ];
    exportMetrics(metrics, {
      journal: this.name,
      executor: this.executor,
      admission: admission.stats,
      publisher: this.#publisher.stats,
      appender: this.#publisher.appenderStats,
      groups: groups.stats,
      moves: this.#moves.stats,
    });
    this.#sweeps.push(
      () => keepPartitions(this.admin.sql, Date.now(), config.journalRetentionMs),
      () => blobs.sweep(),
      () => series.sweep(),
      async () => {
        for (const { name, why } of await groups.sweep())
          log.info(why === 'idle' ? 'a consumer group without members was deleted' : 'a consumer group was forgotten: too far behind', {
            id: name,
          });
      },
    );
    this.#watching = setInterval(() => void this.#watchDatabase(), WATCH_MS);
  }

  /** True, or what it waits for. */
  ready(): true | string {
    if (this.#databaseAnswers) return true;
    return this.name === MAIN ? 'PostgreSQL does not answer' : `PostgreSQL of the journal ${this.name} does not answer`;
  }

  /** Deletes expired data. */
  async sweep(): Promise<void> {
    for (const sweep of this.#sweeps) await sweep();
  }

  /** Stops accepting requests and answers those in progress. */
  async drain(): Promise<void> {
    this.#admission?.end();
    for (const responder of this.#responders) responder.leave();
    await Promise.all(this.#responders.map((responder) => responder.stop()));
  }

  async stop(): Promise<void> {
    clearInterval(this.#watching);
    await this.#publisher.stop();
  }

  async close(): Promise<void> {
    await Promise.all(this.#transactions.map((each) => each.end()));
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }

  async #watchDatabase(): Promise<void> {
    // One check at a time: they must not pile up while the database hangs.
    if (this.#isChecking) return;
    this.#isChecking = true;
    const silence = setTimeout(() => {
      this.#databaseAnswers = false;
    }, SILENT_MS);
    try {
      await endOldFences(this.admin.sql);
      await this.#moves.look();
      this.#databaseAnswers = true;
    } catch {
      this.#databaseAnswers = false;
    } finally {
      clearTimeout(silence);
      this.#isChecking = false;
    }
  }
}

/** The last entries in Redis, if it answers quickly; otherwise it is not compared until it reconnects. */
async function witness(
  hot: HotJournal,
  partitions: number,
  withinMs: number,
): Promise<{ readonly tips: Tip[]; readonly witnessed: boolean }> {
  const newest = Promise.all(Array.from({ length: partitions }, (_, partition) => hot.newest(partition)));
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), withinMs));
  const found = await Promise.race([newest.catch(() => undefined), late]);
  const tips = (found ?? []).flatMap((entry) => {
    if (entry === undefined || entry.json === '') return [];
    const { operationId, id } = parseOwnJson(entry.json) as { operationId: string; id: string };
    return [{ seq: entry.seq, epoch: hot.epoch, operationId, element: id }];
  });
  return { tips, witnessed: found !== undefined };
}

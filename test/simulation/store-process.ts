/** A replica of graph-store: the real executor, publisher and request handlers, on models of its servers. */
import { accountsGet, accountsPlaced, accountsPlacements } from '@polyedge/contracts/bus/accounts';
import { graphCommitted } from '@polyedge/contracts/bus/feed';
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { MAIN } from '@polyedge/contracts/journal';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { NatsModelBus } from '@polyedge/simulation/nats-model-bus';
import { answerChanges } from '../../services/graph-store/src/bus/changes.ts';
import { answerGroups } from '../../services/graph-store/src/bus/groups.ts';
import { answerMutations } from '../../services/graph-store/src/bus/mutate.ts';
import { ExecutorMachine } from '../../services/graph-store/src/executor/machine.ts';
import type {
  BatchReply,
  ExecutorCall,
  ExecutorEffect,
  ExecutorInput,
  ExecutorReplies,
  Item,
  LaneName,
  Ran,
  Submission,
} from '../../services/graph-store/src/executor/messages.ts';
import { ELSEWHERE } from '../../services/graph-store/src/postgres/tenants-elsewhere.ts';
import { RecentChanges } from '../../services/graph-store/src/publisher/recent.ts';
import type { OpenBatch } from '../../services/graph-store/test/database-model.ts';
import { positionsOver } from './positions.ts';
import { Process } from './process.ts';
import { ACCOUNT, PARTITIONS } from './settings.ts';
import { StorePublisher } from './store-publisher.ts';
import type { Surroundings } from './surroundings.ts';

/** Settings of writing sessions (`postgres/connect.ts`): how long one may be idle in a transaction, and wait for a lock. */
const IDLE_MS = 2000;
const LOCK_MS = 5000;
/** The percentage of batches that take longer between locks and commit, and by how many milliseconds at most; the others take up to four. */
const USUAL = [25, 60] as const;
const SLOW = [60, 120] as const;
/** Intervals at which the directory announces the version of the placements, and at which it checks for a new one. */
const TELL_EVERY = 10;
const LOOK_MS = 500;

export class StoreProcess {
  readonly process: Process;
  readonly bus: NatsModelBus;
  /** The same, for channels of its journal alone. */
  readonly #journalBus: Bus;
  readonly #world: Surroundings;
  readonly #executor = new ExecutorMachine();
  readonly #publisher: StorePublisher;
  readonly #recent = new RecentChanges(200);
  readonly #callers = new Map<number, (answer: BatchReply) => void>();
  readonly #ran: Record<LaneName, readonly Item[]> = { small: [], large: [] };
  /** What is in progress in the database, each with what happens when its connection breaks. */
  readonly #batches = new Map<OpenBatch, () => void>();
  #messages = 0;

  /** @param world with the servers of its journal */
  constructor(world: Surroundings, name: string) {
    this.#world = world;
    this.process = new Process(world.time, 'graph-store', name, world.bug === 'lease-believed-past-its-end');
    this.bus = new NatsModelBus(world.nats, this.process);
    this.#journalBus = busOf(this.bus, world.journal);
    this.#publisher = new StorePublisher({
      world,
      process: this.process,
      bus: this.bus,
      journalBus: this.#journalBus,
      recent: this.#recent,
    });
    this.#answer();
    this.bus.onStatus((status) => this.#publisher.handle({ kind: status }));
    this.#journalBus.subscribe(graphCommitted, graphCommitted.pattern({}), ({ seq }) => this.#publisher.handle({ kind: 'notified', seq }));
    this.process.soon(() => this.#publisher.handle({ kind: 'connected' }));
  }

  get journal(): string {
    return this.#world.journal;
  }

  get waitingRequests(): number {
    return this.#executor.stats.waitingRequests;
  }

  kill(): void {
    this.process.kill();
    this.bus.link.close();
    for (const batch of this.#batches.keys()) this.#world.time.after(this.#world.chance.below(50), batch.rollback);
  }

  /** Breaks its connections to the database. */
  databaseLost(): void {
    for (const broken of [...this.#batches.values()]) broken();
    this.process.run(() => this.#publisher.handle({ kind: 'database-lost' }));
  }

  // ---- requests

  #answer(): void {
    const { database, bug, chance } = this.#world;
    const bus = this.#journalBus;
    const journal = () => database.journalFor(() => this.#reach());
    answerMutations(bus, { submit: (submission) => this.#submit(submission) }, undefined);
    answerChanges(bus, { journal, recent: this.#recent, partitions: PARTITIONS });
    answerGroups(bus, {
      positions: positionsOver(this.#world, this.process, () => this.#reach()),
      journal,
      partitions: PARTITIONS,
    });
    if (this.#world.journal === MAIN) this.#answerForDirectory();
    bus.respond(graphGet, async ({ ids, atLeast = 0 }, { tenant = '' }) =>
      this.#readOf(tenant, atLeast, () => {
        const found = ids.map((id) => database.element(tenant, id));
        return { epoch: database.epoch, seq: database.seq, elements: found.map((one) => (one === undefined || one.deleted ? null : one)) };
      }),
    );
    bus.respond(graphQuery, async ({ filter, sort = [], limit = 1000, atLeast = 0 }, { tenant = '' }) =>
      this.#readOf(tenant, bug === 'rows-older-than-events' ? 0 : atLeast, () => {
        const behind = bug === 'rows-older-than-events' ? chance.below(6) : 0;
        const found = database.queryAt(tenant, filter, sort, Math.max(0, database.seq - behind));
        const more = found.length > limit ? { cursor: 'more' } : {};
        return { epoch: database.epoch, seq: database.seq - behind, elements: found.slice(0, limit), ...more };
      }),
    );
  }

  #answerForDirectory(): void {
    const { directory } = this.#world;
    this.bus.respond(accountsGet, async () => this.#read(0, () => ({ accounts: [ACCOUNT] })));
    this.bus.respond(accountsPlacements, async () =>
      this.#read(0, () => ({
        version: directory.version,
        placements: [...directory.placements].map(([tenant, placed]) => ({ tenant, ...placed })),
      })),
    );
    // With one journal there are no placements.
    if (this.#world.tenants.length === 1) return;
    let [looks, told] = [0, directory.version];
    this.process.every(LOOK_MS, () => {
      looks += 1;
      if (told === directory.version && looks % TELL_EVERY !== 0) return;
      told = directory.version;
      this.bus.publish(accountsPlaced, {}, { version: told });
    });
  }

  async #readOf<T>(tenant: string, atLeast: number, read: () => T): Promise<Outcome<T>> {
    return this.#world.database.away.get(tenant) === 'left' ? ELSEWHERE : await this.#read(atLeast, read);
  }

  #reach(): void {
    if (this.#world.databaseAwayUntil > this.#world.time.now) throw new Error('the database cannot be reached');
  }

  async #read<T>(atLeast: number, read: () => T): Promise<Outcome<T>> {
    const { database, databaseAwayUntil, time } = this.#world;
    if (databaseAwayUntil > time.now || database.seq < atLeast) return failed('unavailable', 'the database cannot be reached');
    return done(read());
  }

  // ---- the executor

  #submit(submission: Submission): Promise<BatchReply> {
    return new Promise((resolve) => {
      this.#messages += 1;
      this.#callers.set(this.#messages, resolve);
      this.#execute({ kind: 'submit', message: this.#messages, submission, wall: this.process.wall() });
    });
  }

  #execute(input: ExecutorInput): void {
    for (const effect of this.#executor.handle(input, this.process.now())) this.#performExecutor(effect);
  }

  #performExecutor(effect: ExecutorEffect): void {
    switch (effect.do) {
      case 'call':
        this.#askDatabase(effect.id, effect.call);
        break;
      case 'begin-soon':
        this.process.soon(() => this.#execute({ kind: 'begin', lane: effect.lane }));
        break;
      case 'committed':
        this.#publisher.handle({ kind: 'committed', changes: effect.changes });
        break;
      case 'answer':
        this.#callers.get(effect.message)?.(effect.answer);
        this.#callers.delete(effect.message);
        break;
      case 'overload':
      case 'stopped':
        break;
    }
  }

  #askDatabase(id: number, call: ExecutorCall): void {
    const { chance, time } = this.#world;
    const answer = (ms: number, outcome: Outcome<ExecutorReplies[ExecutorCall['call']]>): void =>
      void this.process.after(ms, () => this.#execute({ kind: 'reply', id, outcome }));
    if (call.call === 'pause') {
      answer(call.ms, done(undefined));
      return;
    }
    if (call.call === 'run') this.#ran[call.lane] = call.items;
    time.after(1 + chance.below(6), () => {
      const isAway = this.#world.databaseAwayUntil > time.now;
      if (call.call === 'run') this.#run(call.items, call.exclusive, isAway, (ms, ran) => answer(ms, done(ran)));
      else if (isAway) answer(200, failed('unavailable'));
      else answer(2, done(this.#world.database.lookUp(this.#ran[call.lane])));
    });
  }

  /**
   * A batch reaches the database, locks and reads its rows, is evaluated, and is committed. The answer can be lost, whether or not the commit takes effect,
   * which it may also do later.
   */
  #run(items: readonly Item[], alone: boolean, isAway: boolean, ran: (ms: number, ran: Ran) => void): void {
    const { chance, database, time, bug, lostAnswers, isSlow } = this.#world;
    if (isAway) {
      ran(300 + chance.below(500), { is: 'not-connected' });
      return;
    }
    const unknown: Ran = { is: 'unknown', refusals: items.map(() => undefined) };
    const assumed: Ran = {
      ...{ is: 'committed', epoch: database.epoch, changes: [] },
      outcomes: items.map(() => ({ ok: true, value: { first: 0, last: 0, operations: [] } })),
    };
    const lost = bug === 'outcome-assumed' ? assumed : unknown;
    const end = (ms: number, outcome: Ran): void => {
      if (this.#batches.delete(batch)) ran(ms, outcome);
    };
    const batch = database.begin(items, alone, () => {
      // The server ends a transaction that is idle between two statements.
      time.after(IDLE_MS, () => end(1, this.#rollback(batch, unknown)));
      const [share, most] = isSlow ? SLOW : USUAL;
      this.process.after(chance.below(chance.percent(share) ? most : 4), () => {
        if (!this.#batches.has(batch)) return;
        if (!chance.percent(lostAnswers)) {
          end(1 + chance.below(8), this.#commit(batch) ?? lost);
          return;
        }
        const fate = chance.below(3);
        if (fate === 0) this.#commit(batch);
        else if (fate === 2) batch.rollback();
        // The server finishes what it has read from a lost connection.
        else time.after(chance.below(2500), () => this.#commit(batch));
        end(1 + chance.below(50), lost);
      });
    });
    this.#batches.set(batch, () => end(1, this.#rollback(batch, lost)));
    time.after(LOCK_MS, () => end(1, this.#rollback(batch, { is: 'load' })));
  }

  /** Undefined: the connection had been lost before. */
  #commit(batch: OpenBatch): Ran | undefined {
    const committed = batch.commit(this.process.wall());
    if (committed === 'over') return undefined;
    if (committed === 'collision') return { is: 'collision' };
    this.#world.judge.committed(committed.changes.map(({ change }) => change));
    return { is: 'committed', ...committed };
  }

  #rollback(batch: OpenBatch, ran: Ran): Ran {
    if (this.#batches.has(batch)) batch.rollback();
    return ran;
  }
}

/** Composition of graph-store: parts start in the order written here and stop in reverse. */
import { MAIN } from '@polyedge/contracts/journal';
import { JournalRedis, redisJournalUrls } from '@polyedge/journal/journal-redis';
import { connectBus } from '@polyedge/service-kit/connect-bus';
import { startHealthServer } from '@polyedge/service-kit/health';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { CannotStart, type Running } from '@polyedge/service-kit/lifecycle';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { AccountCopies } from './accounts/account-copies.ts';
import { type Keys, loadKeys, makeSeal, WrongSecret } from './accounts/keys.ts';
import type { settings } from './config.ts';
import { prepareDirectory } from './directory-part.ts';
import { JournalPart, type PreparedJournal, prepareJournal } from './journal-part.ts';
import { journalsOf, servedOf } from './journals.ts';
import { Pool } from './postgres/pool.ts';

/** Throws `CannotStart`. */
export function checkSettings(config: Config<typeof settings>): void {
  if (config.secretKey.length < 16) throw new CannotStart('POLYEDGE_SECRET_KEY has fewer than 16 characters');
  if (!Number.isInteger(Math.log2(config.partitions))) throw new CannotStart('GRAPH_STORE_PARTITIONS is not a power of two');
  if (config.mode === 'production' && config.passwordCost < 14) throw new CannotStart('GRAPH_STORE_PASSWORD_COST is below 14');
  servedOf(journalsOf(config), config.serves);
  redisJournalUrls(config);
}

/** Its settings were checked. */
export async function start(config: Config<typeof settings>, context: ServiceContext): Promise<Running> {
  const { log } = context;
  const name = `graph-store-${context.instance}`;
  let keys: Keys | undefined;
  const prepared: PreparedJournal[] = [];
  for (const place of servedOf(journalsOf(config), config.serves)) {
    const journal = await prepareJournal(place, config, context, async (starting) => {
      if (place.name !== MAIN) return;
      keys = await loadKeys(starting, makeSeal(config.secretKey, 'signing key')).catch((error: unknown) => {
        throw error instanceof WrongSecret ? new CannotStart(error.message) : error;
      });
    });
    prepared.push(journal);
  }

  const bus = await connectBus(config, context);
  const redis = new JournalRedis(config, name, (sentence) => context.log.warn(sentence));
  const parts = prepared.map(
    (journal) => new JournalPart({ ...journal, config, context, redis: redis.of(journal.place.name), bus: busOf(bus, journal.place.name) }),
  );
  const main = parts.find((part) => part.name === MAIN);
  const beginDirectory = main === undefined || keys === undefined ? undefined : await prepareDirectory(config, context, bus, main, keys);
  for (const part of parts) await part.serve();
  const directory = beginDirectory?.();
  const others = parts.filter((part) => part !== main);
  const accountsSource = others.length === 0 ? undefined : new Pool({ url: config.databaseUrl, name: `${name}-accounts`, max: 1 });
  const copies = others.flatMap(({ name: journal, admin }) =>
    accountsSource === undefined
      ? []
      : [new AccountCopies({ bus, directory: accountsSource.sql, name: journal, journal: admin.sql, log: log.with({ journal }) })],
  );
  for (const each of copies) each.start();
  const sweeping = setInterval(() => void sweep(), config.sweepMs);
  const notices = parts.flatMap((part) => part.notices);
  const health = await startHealthServer({ host: config.host, port: config.port, ready: context.ready, notices });
  log.info(`answers on the bus; health on port ${health.port}`);

  return {
    ready: () => {
      const waiting = parts.map((part) => part.ready()).find((ready) => ready !== true);
      return waiting ?? (bus.status === 'connected' ? true : 'NATS does not answer');
    },
    async drain() {
      for (const responder of directory?.responders ?? []) responder.leave();
      await Promise.all(parts.map((part) => part.drain()));
      await Promise.all((directory?.responders ?? []).map((responder) => responder.stop()));
      await Promise.all(parts.map((part) => part.executor.stop()));
    },
    async stop() {
      clearInterval(sweeping);
      directory?.stop();
      await Promise.all(copies.map((each) => each.stop()));
      await Promise.all(parts.map((part) => part.stop()));
      redis.disconnect();
      await bus.close();
      await health.stop();
      await Promise.all(parts.map((part) => part.close()));
      await accountsSource?.end();
    },
  };

  async function sweep(): Promise<void> {
    try {
      for (const part of parts) await part.sweep();
      await directory?.sweep();
    } catch (error) {
      log.warn('sweeping failed', { err: error });
    }
  }
}

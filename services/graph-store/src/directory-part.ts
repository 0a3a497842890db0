/** The directory, served together with the journal `main`: accounts, logins, keys and placements. Composed explicitly, top to bottom. */
import { accountsPlaced, accountsRevoked, type Revocation } from '@polyedge/contracts/bus/accounts';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import { HashQueue } from '@polyedge/service-kit/hash-queue';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { ApiKeys } from './accounts/api-keys.ts';
import { AuthVertices } from './accounts/auth-vertices.ts';
import { bootstrap } from './accounts/bootstrap.ts';
import { Codes } from './accounts/codes.ts';
import { Directory } from './accounts/directory.ts';
import { FailedLogins } from './accounts/failed-logins.ts';
import { type Keys, makeSeal } from './accounts/keys.ts';
import { PARALLEL_HASHES } from './accounts/password.ts';
import { StoredPasswords } from './accounts/stored-passwords.ts';
import { answerAccounts } from './bus/accounts.ts';
import type { settings } from './config.ts';
import { databaseWait, type JournalPart } from './journal-part.ts';
import { exportLogins } from './metrics.ts';
import { placementsVersion, readPlacements } from './postgres/placements.ts';
import { whenReachable } from './postgres/when-reachable.ts';

/** Interval of checking the version of the placements, and of publishing it even if unchanged. */
const LOOK_MS = 500;
const REPEAT_MS = 5000;

export interface DirectoryPart {
  readonly responders: readonly Responder[];
  /** Deletes expired data. */
  sweep(): Promise<void>;
  stop(): void;
}

/** Creates what is missing on the first start, then starts answering. */
export async function prepareDirectory(
  config: Config<typeof settings>,
  context: ServiceContext,
  bus: Bus,
  { readers: { sql }, executor, small }: JournalPart,
  keys: Keys,
): Promise<() => DirectoryPart> {
  const hashes = new HashQueue(PARALLEL_HASHES);
  const vertices = new AuthVertices(sql, executor, bus);
  const onRevoked = (revocation: Revocation): void => bus.publish(accountsRevoked, {}, revocation);
  const directory = new Directory({
    vertices,
    hashes,
    passwords: new StoredPasswords(sql, config.passwordCost),
    sql,
    executor,
    keys,
    secret: config.secretKey,
    failedLogins: new FailedLogins(
      sql,
      { perAccount: config.loginFailuresPerAccount, perAddress: config.loginFailuresPerAddress, windowMs: config.loginWindowMs },
      config.secretKey,
    ),
    accessMs: (protocol) => (protocol === 'hiro' ? config.hiroTokenMs : protocol === 'saga' ? config.sagaTokenMs : config.tokenMs),
    refreshMs: config.refreshTokenMs,
    onRevoked,
  });
  const administrator = config.adminPassword === undefined ? undefined : { username: config.adminUsername, password: config.adminPassword };
  const { defaultScope } = await whenReachable(databaseWait(config, context.log), () =>
    bootstrap(sql, executor, directory, vertices, administrator),
  );
  const longestMs = Math.max(config.hiroTokenMs, config.sagaTokenMs, config.tokenMs);
  return () => {
    const accounts = answerAccounts({
      bus,
      directory,
      codes: new Codes(sql, directory),
      keys,
      apiKeys: new ApiKeys({ sql, transactions: small, seal: makeSeal(config.secretKey, 'API key'), onRevoked }),
      placements: () => readPlacements(sql),
      defaultScope,
    });
    exportLogins(context.metrics, hashes.stats);
    let published = { version: 0, at: performance.now() };
    const timer = setInterval(() => void publishVersion(), LOOK_MS);
    return {
      responders: accounts.responders,
      sweep: () => directory.sweep(longestMs),
      stop: () => {
        clearInterval(timer);
        accounts.stop();
      },
    };

    async function publishVersion(): Promise<void> {
      const now = performance.now();
      // With a single journal there are no placements to check.
      const version = await placementsVersion(sql).catch(() => undefined);
      if (version === undefined || (version === published.version && now - published.at < REPEAT_MS)) return;
      published = { version, at: now };
      bus.publish(accountsPlaced, {}, { version });
    }
  };
}

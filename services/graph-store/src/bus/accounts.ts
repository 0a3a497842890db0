/** Answers for the directory, and tells edges the keys and revocations by which they verify tokens themselves. */
import {
  accountsAddKey,
  accountsCreate,
  accountsDelete,
  accountsFindKey,
  accountsGet,
  accountsKeys,
  accountsKeysChanged,
  accountsListKeys,
  accountsLogin,
  accountsRefresh,
  accountsRemoveKeys,
  accountsRevoke,
  accountsRevoked,
  accountsUpdate,
  type KeySet,
  type Revocation,
} from '@polyedge/contracts/bus/accounts';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import type { ApiKeys } from '../accounts/api-keys.ts';
import type { Directory } from '../accounts/directory.ts';
import type { Keys } from '../accounts/keys.ts';
import { readFailure } from '../postgres/read.ts';

/** How often the key set is told again: an edge that missed it learns it within this time. */
const REPEAT_MS = 30_000;

export interface AccountsOptions {
  readonly bus: Bus;
  readonly directory: Directory;
  readonly keys: Keys;
  readonly apiKeys: ApiKeys;
  /** The scope of accounts that are created without one. */
  readonly defaultScope: string;
}

export function answerAccounts({ bus, directory, keys, apiKeys, defaultScope }: AccountsOptions): {
  readonly responders: Responder[];
  stop(): void;
} {
  const keySet = async (): Promise<KeySet> => ({ keys: [...keys.published], revocations: await directory.revocations() });
  const tell = async (): Promise<void> => {
    try {
      bus.publish(accountsKeysChanged, {}, await keySet());
    } catch {
      // The database is away; edges keep what they have, and hear it in the next round.
    }
  };
  const timer = setInterval(() => void tell(), REPEAT_MS);
  void tell();
  const responders = [
    bus.respond(accountsLogin, ({ username, proof, ...context }) => guarded(() => directory.login(username, proof, context))),
    bus.respond(accountsRefresh, ({ refreshToken, ...context }) => guarded(() => directory.refresh(refreshToken, context))),
    bus.respond(accountsRevoke, (request) =>
      guarded(() => ('account' in request ? directory.revokeAccount(request.account) : directory.revokeToken(request.refreshToken))),
    ),
    bus.respond(accountsKeys, () => guarded(async () => done(await keySet()))),
    bus.respond(accountsCreate, (request, { tenant }) =>
      guarded(async () =>
        tenant === undefined
          ? failed('invalid', 'no tenant')
          : await directory.create({ ...request, tenant, defaultScope: request.defaultScope ?? defaultScope }),
      ),
    ),
    bus.respond(accountsUpdate, (request, { tenant }) =>
      guarded(async () => (tenant === undefined ? failed('invalid', 'no tenant') : await directory.update(tenant, request))),
    ),
    bus.respond(accountsGet, (request, { tenant }) =>
      guarded(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : done({ accounts: await directory.get(tenant, request) }),
      ),
    ),
    bus.respond(accountsDelete, ({ id, by }, { tenant }) =>
      guarded(async () => (tenant === undefined ? failed('invalid', 'no tenant') : await directory.delete(tenant, id, by))),
    ),
    bus.respond(accountsAddKey, ({ apiKey, mode }, { tenant }) =>
      guarded(async () => (tenant === undefined ? failed('invalid', 'no tenant') : await apiKeys.add(tenant, apiKey, mode))),
    ),
    bus.respond(accountsFindKey, ({ hash }, { tenant }) =>
      guarded(async () => (tenant === undefined ? failed('invalid', 'no tenant') : await apiKeys.find(tenant, hash))),
    ),
    bus.respond(accountsListKeys, ({ kind, owners }, { tenant }) =>
      guarded(async () => {
        if (tenant === undefined) return failed('invalid', 'no tenant');
        const listed = await apiKeys.list(tenant, kind, owners);
        return listed.ok ? done({ keys: listed.value }) : listed;
      }),
    ),
    bus.respond(accountsRemoveKeys, ({ owner, hash }, { tenant }) =>
      guarded(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : done({ removed: await apiKeys.remove(tenant, owner, hash) }),
      ),
    ),
  ];
  return { responders, stop: () => clearInterval(timer) };
}

/** Tells every edge of a revocation. */
export const tellRevocation = (bus: Bus, revocation: Revocation): void => bus.publish(accountsRevoked, {}, revocation);

/** A database that is away is an answer, not a crash. */
async function guarded<T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await work();
  } catch (error) {
    return readFailure(error);
  }
}

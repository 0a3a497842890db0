/** Answers requests to the directory, and publishes the keys and revocations with which edges verify tokens. */
import {
  accountsAddKey,
  accountsAuthorize,
  accountsCreate,
  accountsDelete,
  accountsFailedLogins,
  accountsFindKey,
  accountsGet,
  accountsKeys,
  accountsKeysChanged,
  accountsListKeys,
  accountsLogin,
  accountsPlacements,
  accountsRedeem,
  accountsRefresh,
  accountsRemoveKeys,
  accountsRevoke,
  accountsUpdate,
  type KeySet,
  type Placements,
} from '@polyedge/contracts/bus/accounts';
import { done, failed } from '@polyedge/contracts/errors';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import type { ApiKeys } from '../accounts/api-keys.ts';
import type { Codes } from '../accounts/codes.ts';
import type { Directory } from '../accounts/directory.ts';
import type { Keys } from '../accounts/keys.ts';
import { outcomeOf } from '../postgres/read.ts';

/** Interval of publishing the key set: an edge that missed it receives it within this time. */
const REPEAT_MS = 30_000;

export interface AccountsOptions {
  readonly bus: Bus;
  readonly directory: Directory;
  readonly codes: Codes;
  readonly keys: Keys;
  readonly apiKeys: ApiKeys;
  /** The tenants in other journals than `main`. */
  readonly placements: () => Promise<Placements>;
  /** The scope of accounts that are created without one. */
  readonly defaultScope: string;
}

export function answerAccounts({ bus, directory, codes, keys, apiKeys, placements, defaultScope }: AccountsOptions): {
  readonly responders: Responder[];
  stop(): void;
} {
  const keySet = async (): Promise<KeySet> => ({ keys: [...keys.published], revocations: await directory.revocations() });
  const publishKeys = async (): Promise<void> => {
    try {
      bus.publish(accountsKeysChanged, {}, await keySet());
    } catch {
      // The database is unavailable; edges keep their keys until the next round.
    }
  };
  const timer = setInterval(() => void publishKeys(), REPEAT_MS);
  void publishKeys();
  const responders = [
    bus.respond(accountsLogin, ({ username, proof, ...context }, { deadline }) =>
      outcomeOf(() => directory.before(deadline).login(username, proof, context)),
    ),
    bus.respond(accountsRefresh, ({ refreshToken, ...context }, { deadline }) =>
      outcomeOf(() => directory.before(deadline).refresh(refreshToken, context)),
    ),
    bus.respond(accountsAuthorize, ({ username, proof, binding, ...context }, { deadline }) =>
      outcomeOf(() => codes.before(deadline).authorize(username, proof, binding, context)),
    ),
    bus.respond(accountsRedeem, ({ code, binding, ...context }, { deadline }) =>
      outcomeOf(() => codes.before(deadline).redeem(code, binding, context)),
    ),
    bus.respond(accountsRevoke, (request, { deadline }) =>
      outcomeOf(() =>
        'account' in request
          ? directory.before(deadline).revokeAccount(request.account)
          : directory.before(deadline).revokeToken(request.refreshToken),
      ),
    ),
    bus.respond(accountsPlacements, () => outcomeOf(async () => done(await placements()))),
    bus.respond(accountsKeys, () => outcomeOf(async () => done(await keySet()))),
    bus.respond(accountsCreate, ({ address, ...request }, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined
          ? failed('invalid', 'no tenant')
          : await directory.before(deadline).create({ ...request, tenant, defaultScope: request.defaultScope ?? defaultScope }, address),
      ),
    ),
    bus.respond(accountsUpdate, ({ address, ...request }, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : await directory.before(deadline).update(tenant, request, address),
      ),
    ),
    bus.respond(accountsGet, (request, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : done({ accounts: await directory.before(deadline).get(tenant, request) }),
      ),
    ),
    bus.respond(accountsDelete, (request, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : await directory.before(deadline).delete(tenant, request),
      ),
    ),
    bus.respond(accountsFailedLogins, ({ forget, ids }, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : await directory.before(deadline).failedLogins(tenant, forget, ids),
      ),
    ),
    bus.respond(accountsAddKey, ({ apiKey, mode }, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined ? failed('invalid', 'no tenant') : await apiKeys.before(deadline).add(tenant, apiKey, mode),
      ),
    ),
    bus.respond(accountsFindKey, ({ hash }, { tenant, deadline }) =>
      outcomeOf(async () => (tenant === undefined ? failed('invalid', 'no tenant') : await apiKeys.before(deadline).find(tenant, hash))),
    ),
    bus.respond(accountsListKeys, ({ kind, owners }, { tenant, deadline }) =>
      outcomeOf(async () => {
        if (tenant === undefined) return failed('invalid', 'no tenant');
        const listed = await apiKeys.before(deadline).list(tenant, kind, owners);
        return listed.ok ? done({ keys: listed.value }) : listed;
      }),
    ),
    bus.respond(accountsRemoveKeys, ({ owner, hash }, { tenant, deadline }) =>
      outcomeOf(async () =>
        tenant === undefined
          ? failed('invalid', 'no tenant')
          : done({ removed: await apiKeys.before(deadline).remove(tenant, owner, hash) }),
      ),
    ),
  ];
  return { responders, stop: () => clearInterval(timer) };
}

/** The directory of accounts: login, tokens, API keys and revocation. Only graph-store signs tokens and sees secrets. */
import { defineEvent, defineRequest } from '../channel.ts';
import { JsonObjectSchema } from '../element.ts';
import { type Static, T } from '../schema.ts';

const Text = T.String({ minLength: 1, maxLength: 512 });

/** Roles by protocol: `{ hiro: ['admin'], saga: ['Admin'] }`. */
const Roles = T.Record(T.String(), T.Array(T.String()));

/** An account without its secrets. `scopes` are the data scopes it may read and write besides its default; `'*'` means all scopes of the tenant. */
export const Account = T.Object({
  id: T.String(),
  tenant: T.String(),
  username: T.String(),
  roles: Roles,
  defaultScope: T.String(),
  scopes: T.Array(T.String()),
  disabled: T.Boolean(),
  attributes: JsonObjectSchema,
  /** Incremented by every change. Absent in replies of older stores. */
  version: T.Optional(T.Integer()),
});
export type Account = Static<typeof Account>;

/**
 * A proof of a password: its SHA-256 in hex. Protocols whose clients hash the password and protocols whose clients do not can so share one
 * directory: an edge passes a client's hash through, or computes it. The directory stores scrypt(salt, proof).
 */
const Proof = T.String({ pattern: '^[0-9a-f]{64}$' });

export const TokenSet = T.Object({
  accessToken: T.String(),
  /** Milliseconds since 1970. */
  expiresAt: T.Integer(),
  refreshToken: T.String(),
  account: Account,
});
export type TokenSet = Static<typeof TokenSet>;

const session = {
  /** The requesting protocol, which determines the token's lifetime and audience. */
  protocol: Text,
  /** The application that the client names. */
  app: T.String({ maxLength: 512 }),
  /** The client's address, for counting failures. Never stored. */
  address: T.String({ maxLength: 128 }),
};

export const accountsLogin = defineRequest({
  address: 'pe.cmd.accounts.login.v1',
  summary:
    'Tokens for a user name and the proof of its password. Failures are counted per account and per address; over the limit the answer is `limited`.',
  request: T.Object({ username: Text, proof: Proof, ...session }),
  reply: TokenSet,
  errors: ['unauthenticated', 'limited'],
});

export const accountsRefresh = defineRequest({
  address: 'pe.cmd.accounts.refresh.v1',
  summary: 'New tokens for a refresh token, which is then spent. Using one twice revokes all tokens of the same login.',
  request: T.Object({ refreshToken: Text, ...session }),
  reply: TokenSet,
  errors: ['unauthenticated', 'limited'],
});

/** Must be repeated when the code is redeemed. */
const Binding = T.String({ minLength: 1, maxLength: 4096 });

export const accountsAuthorize = defineRequest({
  address: 'pe.cmd.accounts.authorize.v1',
  summary: 'An authorization code for a user name and the proof of its password: valid once, for a minute, and only with the same binding.',
  request: T.Object({ username: Text, proof: Proof, binding: Binding, ...session }),
  reply: T.Object({ code: T.String() }),
  errors: ['unauthenticated', 'limited'],
});

export const accountsRedeem = defineRequest({
  address: 'pe.cmd.accounts.redeem.v1',
  summary: 'Tokens for an authorization code, which is then spent.',
  request: T.Object({ code: Text, binding: Binding, ...session }),
  reply: TokenSet,
  errors: ['unauthenticated', 'limited'],
});

export const accountsRevoke = defineRequest({
  address: 'pe.cmd.accounts.revoke.v1',
  summary: 'Ends a login by one of its refresh tokens, or revokes every token issued to an account so far.',
  request: T.Union([T.Object({ refreshToken: Text }), T.Object({ account: Text })]),
  reply: T.Object({}),
  errors: ['not-found'],
});

export const accountsCreate = defineRequest({
  address: 'pe.cmd.accounts.create.v1.{tenant}',
  summary: 'Creates an account. User names are unique across all tenants, regardless of case.',
  request: T.Object({
    username: Text,
    proof: T.Optional(Proof),
    roles: Roles,
    defaultScope: T.Optional(Text),
    scopes: T.Optional(T.Array(Text)),
    attributes: T.Optional(JsonObjectSchema),
    by: Text,
    /** The client's address, so that password hashing is shared fairly. */
    address: T.Optional(session.address),
  }),
  reply: Account,
  errors: ['conflict'],
});

export const accountsUpdate = defineRequest({
  address: 'pe.cmd.accounts.update.v1.{tenant}',
  summary:
    'Changes the given fields. A new password, other roles or scopes, or `disabled: true` revoke all tokens issued so far. Of each protocol that had an administrator in the tenant one stays, else `not-allowed`.',
  request: T.Object({
    id: Text,
    /** The expected version: if the account has another one, nothing is changed (`conflict`, with the detail `version`). */
    version: T.Optional(T.Integer()),
    username: T.Optional(Text),
    proof: T.Optional(Proof),
    roles: T.Optional(Roles),
    defaultScope: T.Optional(Text),
    scopes: T.Optional(T.Array(Text)),
    disabled: T.Optional(T.Boolean()),
    attributes: T.Optional(JsonObjectSchema),
    by: Text,
    /** The client's address, so that password hashing is shared fairly. */
    address: T.Optional(session.address),
  }),
  reply: Account,
  errors: ['not-found', 'not-allowed', 'conflict'],
});

export const accountsGet = defineRequest({
  address: 'pe.cmd.accounts.get.v1.{tenant}',
  summary:
    'Accounts by id or user name, or all accounts of the tenant: in the order of their ids, a page of `limit` (1,000 unless given) at a time, which begins after the id `after`.',
  request: T.Object({
    ids: T.Optional(T.Array(Text, { maxItems: 1000 })),
    username: T.Optional(Text),
    /** Only accounts with this in their user names, regardless of case. Older stores ignore it. */
    text: T.Optional(Text),
    limit: T.Optional(T.Integer({ minimum: 1, maximum: 1000 })),
    after: T.Optional(Text),
  }),
  reply: T.Object({ accounts: T.Array(Account) }),
  errors: [],
});

export const accountsDelete = defineRequest({
  address: 'pe.cmd.accounts.delete.v1.{tenant}',
  summary:
    'Deletes an account with its password and its API keys, and revokes its tokens. The user name becomes available again. The last administrator of a protocol is not deleted (`not-allowed`).',
  request: T.Object({
    id: Text,
    /** The expected version: if the account has another one, nothing is changed (`conflict`, with the detail `version`). */
    version: T.Optional(T.Integer()),
    by: Text,
  }),
  reply: T.Object({}),
  errors: ['not-found', 'not-allowed', 'conflict'],
});

/** The owner of an API key: an account, or an organization of the protocol that created the key. */
export const KeyOwner = T.Object({ kind: T.Union([T.Literal('account'), T.Literal('organization')]), id: Text });
export type KeyOwner = Static<typeof KeyOwner>;

/** A key that a program presents instead of logging in. `scope` is its permission, in the terms of its protocol. */
export const ApiKey = T.Object({ key: T.String({ minLength: 32, maxLength: 256 }), owner: KeyOwner, scope: Text });
export type ApiKey = Static<typeof ApiKey>;

/** The hex SHA-256 of a key: a key is looked up by its hash, so that the request does not reveal it. */
const KeyHash = T.String({ pattern: '^[0-9a-f]{64}$' });

export const accountsAddKey = defineRequest({
  address: 'pe.cmd.accounts.add-key.v1.{tenant}',
  summary:
    'Adds a key for an owner: in addition to its keys, replacing them, or only if it has none (otherwise the reply is its first key). Keys are stored encrypted and never enter the journal.',
  request: T.Object({ apiKey: ApiKey, mode: T.Union([T.Literal('add'), T.Literal('replace'), T.Literal('if-none')]) }),
  reply: ApiKey,
  errors: ['conflict', 'too-large'],
});

export const accountsFindKey = defineRequest({
  address: 'pe.cmd.accounts.find-key.v1.{tenant}',
  summary: 'The owner and scope of a key.',
  request: T.Object({ hash: KeyHash }),
  reply: T.Object({ owner: KeyOwner, scope: Text }),
  errors: ['not-found'],
});

export const accountsListKeys = defineRequest({
  address: 'pe.cmd.accounts.list-keys.v1.{tenant}',
  summary: 'The keys of some owners of one kind, in clear text and in the order in which they were added.',
  request: T.Object({ kind: KeyOwner.properties.kind, owners: T.Array(Text, { maxItems: 1000 }) }),
  reply: T.Object({ keys: T.Array(ApiKey) }),
  errors: [],
});

export const accountsRemoveKeys = defineRequest({
  address: 'pe.cmd.accounts.remove-keys.v1.{tenant}',
  summary: 'Removes one key of an owner, or all of them.',
  request: T.Object({ owner: KeyOwner, hash: T.Optional(KeyHash) }),
  reply: T.Object({ removed: T.Integer() }),
  errors: [],
});

/** Failed logins of an account that count at present. */
export const FailedLogins = T.Object({
  account: T.String(),
  failures: T.Integer(),
  /** When they are forgotten, in milliseconds since 1970. */
  endsOn: T.Integer(),
  /** Whether further attempts are refused until then. */
  blocked: T.Boolean(),
});
export type FailedLogins = Static<typeof FailedLogins>;

export const accountsFailedLogins = defineRequest({
  address: 'pe.cmd.accounts.failed-logins.v1.{tenant}',
  summary:
    'Failed logins of the accounts of the tenant that have any, of 1,000 at most. With `forget`, those of that account are forgotten first: it may try again.',
  request: T.Object({
    forget: T.Optional(Text),
    /** Only of these accounts. Older stores ignore it. */
    ids: T.Optional(T.Array(Text, { maxItems: 1000 })),
  }),
  reply: T.Object({ accounts: T.Array(FailedLogins) }),
  errors: ['not-found'],
});

/**
 * Tokens of `account` issued before `before` (milliseconds since 1970) are no longer valid; with `session`, only those of that login. A removed API key
 * is revoked as a session of its owner: the hexadecimal SHA-256 of the key.
 */
export const Revocation = T.Object({ account: T.String(), before: T.Integer(), session: T.Optional(T.String()) });
export type Revocation = Static<typeof Revocation>;

/** Everything an edge needs to verify tokens locally. `revocations` are those younger than the longest token lifetime. */
export const KeySet = T.Object({ keys: T.Array(JsonObjectSchema), revocations: T.Array(Revocation) });
export type KeySet = Static<typeof KeySet>;

export const accountsKeys = defineRequest({
  address: 'pe.cmd.accounts.keys.v1',
  summary: 'The public signing keys (a JWK set) and the revocations in force.',
  request: T.Object({}),
  reply: KeySet,
  errors: [],
});

export const accountsKeysChanged = defineEvent({
  address: 'pe.evt.accounts.keys-changed.v1',
  summary: 'The current key set; also sent every 30 seconds.',
  body: KeySet,
});

export const accountsRevoked = defineEvent({
  address: 'pe.evt.accounts.revoked.v1',
  summary: 'A revocation; edges close the affected sockets within a second.',
  body: Revocation,
});

export const accountsChanged = defineEvent({
  address: 'pe.evt.accounts.changed.v1.{tenant}',
  summary: 'An account was created or changed; carries only its id.',
  body: T.Object({ id: T.String(), seq: T.Integer() }),
});

/**
 * Which tenants are in another journal than `main`, and which came back to it. `version` grows with each change of any of them; `since` is
 * that of the tenant's last move, 0 if that was before it was recorded.
 */
const Placements = T.Object({
  version: T.Integer(),
  placements: T.Array(T.Object({ tenant: T.String(), journal: T.String(), since: T.Optional(T.Integer()) })),
});
export type Placements = Static<typeof Placements>;

export const accountsPlacements = defineRequest({
  address: 'pe.cmd.accounts.placements.v1',
  summary: 'In which journals the tenants are that were moved out of `main`.',
  request: T.Object({}),
  reply: Placements,
  errors: [],
});

export const accountsPlaced = defineEvent({
  address: 'pe.evt.accounts.placed.v1',
  summary:
    'The version of the placements, sent when it changes and every few seconds: services with an older version fetch the placements.',
  body: T.Object({ version: T.Integer() }),
});

/** Who a connection acts for, from a verified access token. */
export interface Principal {
  readonly account: string;
  readonly tenant: string;
  readonly username: string;
  /** The application the token was issued to. */
  readonly app: string;
  /** Roles by protocol. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly defaultScope: string;
  /** Data scopes that may be read and written besides the default; `'*'` means all scopes of the tenant. */
  readonly scopes: readonly string[];
  /** The login that the token belongs to; revoking the login revokes the token. */
  readonly session: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

type Roles = Principal['roles'];

/**
 * Whether an account has a role in another protocol that the caller does not have. This protocol then must not change the account's password
 * or name, or delete it: otherwise a user manager of one protocol could log in as the administrator of all others.
 */
export const hasForeignRoles = (account: Roles, caller: Roles, protocol: string): boolean =>
  Object.entries(account).some(
    ([other, names]) => other !== protocol && names.some((name) => !Object.hasOwn(caller, other) || caller[other]?.includes(name) !== true),
  );

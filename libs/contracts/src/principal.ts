/** Who a connection acts for: what a verified access token says. */
export interface Principal {
  readonly account: string;
  readonly tenant: string;
  readonly username: string;
  /** The application the token was given to. */
  readonly app: string;
  /** Roles by protocol. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly defaultScope: string;
  /** Data scopes that may be read and written besides the default; `'*'` stands for all of the tenant. */
  readonly scopes: readonly string[];
  /** The login that the token came from: revoking the login ends it. */
  readonly session: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

type Roles = Principal['roles'];

/**
 * Whether an account has a role in a protocol besides this one that the caller does not have. Its password, its name and its end are then not for
 * this protocol to decide: whoever manages users in one could log in as the administrator of all others.
 */
export const ranksElsewhere = (account: Roles, caller: Roles, protocol: string): boolean =>
  Object.entries(account).some(
    ([other, names]) => other !== protocol && names.some((name) => !Object.hasOwn(caller, other) || caller[other]?.includes(name) !== true),
  );

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

/** Who looks at the page. */
export interface Me {
  readonly account: string;
  readonly username: string;
  readonly tenant: string;
  readonly expiresAt: number;
  /** Addresses of the edges, by name. */
  readonly edges: Readonly<Record<string, string>>;
}

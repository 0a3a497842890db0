/** The logged-in user. */
export interface Me {
  readonly account: string;
  readonly username: string;
  readonly tenant: string;
  readonly expiresAt: number;
  /** Whether the pages of a protocol have anything to show. */
  readonly offers: { readonly runnables: boolean; readonly space: boolean };
  /** Addresses of the edges, by name. */
  readonly edges: Readonly<Record<string, string>>;
}

/** Who looks at the page. */
export interface Me {
  readonly account: string;
  readonly username: string;
  readonly tenant: string;
  readonly expiresAt: number;
  /** Whether there is anything to show on pages of one protocol. */
  readonly offers: { readonly runnables: boolean; readonly space: boolean };
  /** Addresses of the edges, by name. */
  readonly edges: Readonly<Record<string, string>>;
}

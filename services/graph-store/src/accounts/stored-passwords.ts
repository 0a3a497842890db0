/** The passwords of accounts, in a table that is not journaled. What computes a hash is called through `HashQueue`. */
import type { Queries } from '../postgres/pool.ts';
import { hashProof, hasOtherCost, verifyProof } from './password.ts';

export class StoredPasswords {
  readonly #sql: Queries;
  readonly #cost: number;

  /** @param cost scrypt's: N is two to it */
  constructor(sql: Queries, cost: number) {
    this.#sql = sql;
    this.#cost = cost;
  }

  /** The form of a proof that `save` stores. */
  hash(proof: string): Promise<string> {
    return hashProof(proof, this.#cost);
  }

  async save(account: string, hash: string): Promise<void> {
    await this.#sql`insert into account_secret (account, password) values (${account}, ${hash})
      on conflict (account) do update set password = excluded.password`;
  }

  async remove(account: string): Promise<void> {
    await this.#sql`delete from account_secret where account = ${account}`;
  }

  /**
   * Whether it is the password of the account; takes as long without an account. A right one that was stored with another cost is stored again
   * with that of today.
   */
  async verify(proof: string, account: string | undefined): Promise<boolean> {
    const stored = account === undefined ? undefined : await this.#find(account);
    if (!(await verifyProof(proof, stored, this.#cost)) || account === undefined || stored === undefined) return false;
    if (hasOtherCost(stored, this.#cost)) {
      const hash = await this.hash(proof);
      // Unless it was changed meanwhile.
      await this.#sql`update account_secret set password = ${hash} where account = ${account} and password = ${stored}`;
    }
    return true;
  }

  async #find(account: string): Promise<string | undefined> {
    const [row] = await this.#sql<{ password: string | null }[]>`select password from account_secret where account = ${account}`;
    return row?.password ?? undefined;
  }
}

/** Failed logins, counted per user name and per address over all replicas, so that a second replica or protocol gives no second try. */
import { createHmac } from 'node:crypto';
import type { Sql } from '../postgres/connect.ts';
import { usernameKey } from './accounts.ts';

export interface LoginLimits {
  readonly perAccount: number;
  readonly perAddress: number;
  readonly windowMs: number;
}

export class FailedLogins {
  readonly #sql: Sql;
  readonly #limits: LoginLimits;
  readonly #key: string;

  /** @param key keeps what is stored from being tried out against lists of addresses and names. */
  constructor(sql: Sql, limits: LoginLimits, key: string) {
    this.#sql = sql;
    this.#limits = limits;
    this.#key = key;
  }

  /** Milliseconds until another try is allowed; 0 for now. */
  async waitMs(username: string, address: string): Promise<number> {
    const now = Date.now();
    const [row] = await this.#sql<{ wait: number | null }[]>`
      select max(window_ends_on) - ${now} as wait from failed_login
      where window_ends_on > ${now}
        and ((subject = ${this.#subject('account', usernameKey(username))} and failures >= ${this.#limits.perAccount})
          or (subject = ${this.#subject('address', address)} and failures >= ${this.#limits.perAddress}))`;
    return row?.wait ?? 0;
  }

  async count(username: string, address: string): Promise<void> {
    const now = Date.now();
    const ends = now + this.#limits.windowMs;
    for (const subject of [this.#subject('account', usernameKey(username)), this.#subject('address', address)]) {
      await this.#sql`
        insert into failed_login as f (subject, failures, window_ends_on) values (${subject}, 1, ${ends})
        on conflict (subject) do update set
          failures = case when f.window_ends_on > ${now} then f.failures + 1 else 1 end,
          window_ends_on = case when f.window_ends_on > ${now} then f.window_ends_on else ${ends} end`;
    }
  }

  /** A good login clears its account's count, not its address's: others may be guessing from there. */
  async clear(username: string): Promise<void> {
    await this.#sql`delete from failed_login where subject = ${this.#subject('account', usernameKey(username))}`;
  }

  /** Forgets windows that are over. */
  async sweep(): Promise<void> {
    await this.#sql`delete from failed_login where window_ends_on < ${Date.now()}`;
  }

  /** Names as the directory compares them: `admin` and `ADMIN` are one account, and so get one count. */
  #subject(kind: string, value: string): Buffer {
    return createHmac('sha256', this.#key).update(`${kind}\0${value}`).digest();
  }
}

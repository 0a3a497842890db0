/**
 * Failed logins, counted per user name and per network across all replicas, so that another replica or protocol gives no further attempts. An
 * attempt counts as failed before its password is hashed; a successful one is undone.
 */
import { createHmac } from 'node:crypto';
import type { FailedLogins as Shown } from '@polyedge/contracts/bus/accounts';
import { usernameKey } from '@polyedge/contracts/username';
import { networkOf } from '@polyedge/service-kit/network';
import type { Queries } from '../postgres/pool.ts';

export interface LoginLimits {
  readonly perAccount: number;
  readonly perAddress: number;
  readonly windowMs: number;
}

/** The most names and networks whose wait this process remembers. */
const MAX_REMEMBERED = 10_000;
/** How long a remembered wait is used without checking again: another replica may have recorded a success meanwhile. */
const REMEMBERED_MS = 5000;

export class FailedLogins {
  readonly #sql: Queries;
  readonly #limits: LoginLimits;
  readonly #key: string;
  /** When the wait of a subject ends, and until when this information is used, on the clock of `performance.now()`. */
  readonly #waits = new Map<string, { readonly endsAfter: number; readonly until: number }>();

  /** @param key of the HMAC, so that stored subjects cannot be matched against lists of addresses and names. */
  constructor(sql: Queries, limits: LoginLimits, key: string) {
    this.#sql = sql;
    this.#limits = limits;
    this.#key = key;
  }

  /** Milliseconds until another attempt is allowed, as far as this process knows; 0 if it is allowed now. */
  knownWaitMs(username: string, address: string): number {
    const now = performance.now();
    const known = this.#subjects(username, address).map(({ subject }) => this.#waits.get(subject));
    return Math.max(0, ...known.map((wait) => (wait !== undefined && wait.until > now ? wait.endsAfter - now : 0)));
  }

  /** Counts an attempt. Returns 0 if it is allowed, else the milliseconds until the next one is. */
  async count(username: string, address: string, deadline: number): Promise<number> {
    const now = Date.now();
    const subjects = this.#subjects(username, address);
    // In a fixed order, so that concurrent counts cannot deadlock.
    const rows = await this.#sql.before(deadline)<{ subject: Buffer; failures: number; window_ends_on: number }[]>`
      insert into failed_login as f (subject, failures, window_ends_on)
      select decode(subject, 'hex'), 1, ${now + this.#limits.windowMs} from json_to_recordset(${JSON.stringify(subjects)}::json) as s(subject text)
      order by subject
      on conflict (subject) do update set
        failures = case when f.window_ends_on > ${now} then f.failures + 1 else 1 end,
        window_ends_on = case when f.window_ends_on > ${now} then least(f.window_ends_on, excluded.window_ends_on) else excluded.window_ends_on end
      returning subject, failures, window_ends_on`;
    const most = new Map(subjects.map(({ subject, most }) => [subject, most]));
    let waitMs = 0;
    for (const row of rows) {
      const subject = row.subject.toString('hex');
      if (row.failures <= (most.get(subject) ?? 0)) continue;
      this.#remember(subject, row.window_ends_on - now);
      waitMs = Math.max(waitMs, row.window_ends_on - now);
    }
    return waitMs;
  }

  /** Records a success: clears the count of the account. Others may be guessing from the same address, so there only this attempt is undone. */
  async recordSuccess(username: string, address: string): Promise<void> {
    const [account, from] = this.#subjects(username, address);
    this.#waits.delete(account.subject);
    await this.#sql`
      with cleared as (delete from failed_login where subject = decode(${account.subject}, 'hex'))
      update failed_login set failures = failures - 1 where subject = decode(${from.subject}, 'hex') and failures > 0`;
  }

  /** What counts at present, by user name as given; nothing for names without failures. */
  async of(usernames: readonly string[], deadline: number): Promise<ReadonlyMap<string, Omit<Shown, 'account'>>> {
    const names = new Map(usernames.map((username) => [this.#account(username), username]));
    const rows = await this.#sql.before(deadline)<{ subject: Buffer; failures: number; window_ends_on: number }[]>`
      select subject, failures, window_ends_on from failed_login where failures > 0 and window_ends_on > ${Date.now()}
        and subject in (select decode(value, 'hex') from json_array_elements_text(${JSON.stringify([...names.keys()])}::json))`;
    return new Map(
      rows.flatMap(({ subject, failures, window_ends_on: endsOn }) => {
        const username = names.get(subject.toString('hex'));
        return username === undefined ? [] : [[username, { failures, endsOn, blocked: failures >= this.#limits.perAccount }]];
      }),
    );
  }

  /** Lets an account try again; another replica may refuse it for some seconds more. */
  async forget(username: string): Promise<void> {
    const subject = this.#account(username);
    this.#waits.delete(subject);
    await this.#sql`delete from failed_login where subject = decode(${subject}, 'hex')`;
  }

  /** Deletes windows that have ended. */
  async sweep(): Promise<void> {
    await this.#sql`delete from failed_login where window_ends_on < ${Date.now()}`;
  }

  #remember(subject: string, waitMs: number): void {
    const now = performance.now();
    this.#waits.delete(subject);
    this.#waits.set(subject, { endsAfter: now + waitMs, until: now + REMEMBERED_MS });
    const [oldest] = this.#waits.keys();
    if (this.#waits.size > MAX_REMEMBERED && oldest !== undefined) this.#waits.delete(oldest);
  }

  /** Names are compared as in the directory: `admin` and `ADMIN` are one account and share one count. */
  #subjects(username: string, address: string) {
    const { perAccount, perAddress } = this.#limits;
    return [
      { subject: this.#account(username), most: perAccount },
      { subject: this.#hash('address', networkOf(address)), most: perAddress },
    ] as const;
  }

  #account(username: string): string {
    return this.#hash('account', usernameKey(username));
  }

  #hash(kind: string, value: string): string {
    return createHmac('sha256', this.#key).update(`${kind}\0${value}`).digest('hex');
  }
}

/** Tenants that a journal does not serve because they are in another one, or does not write because they are being moved. */
import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Connection } from './connect.ts';
import { LOCK } from './locks.ts';
import { type Issuer, issuerOf } from './pipeline.ts';
import type { Queries } from './pool.ts';

interface Refusal {
  readonly ok: false;
  readonly failure: Failure;
}

/** Nothing was done. The caller looks up the tenant's journal in the directory. */
export const ELSEWHERE: Refusal = failed('lost', 'the tenant is in another journal');

/** Nothing was done. The caller retries: within seconds the tenant is writable here again, or is in another journal. */
export const MOVING: Refusal = failed('unavailable', 'the tenant is being moved to another journal');

/**
 * The tenants of these that may not be written here, with the reasons. Call it after taking the lock of the batch, which placing a tenant
 * takes exclusively.
 */
export async function findAway(issuer: Issuer, tenants: readonly string[]): Promise<ReadonlyMap<string, Failure>> {
  const rows = await issuer.rows<{ tenant: string; moving: boolean }>(
    `select tenant, until is not null as moving from away
     where tenant in (select value collate "C" from json_array_elements_text($1::text::json))`,
    [JSON.stringify(tenants)],
  );
  return new Map(rows.map(({ tenant, moving }) => [tenant, (moving ? MOVING : ELSEWHERE).failure]));
}

/**
 * Takes the lock that placing a tenant waits for; must be the first statement of the transaction.
 * @returns why the tenant may not be written here; undefined if it may
 */
export async function enterTenant(transaction: Connection, tenant: string): Promise<Refusal | undefined> {
  const [, away] = await Promise.all([
    transaction`select pg_advisory_xact_lock_shared(${LOCK.batch})`.execute(),
    findAway(issuerOf(transaction), [tenant]),
  ]);
  const failure = away.get(tenant);
  return failure && { ok: false, failure };
}

/** Whether a failure is one of the two above, which apply to the whole message, since all its requests are of one tenant. */
export const isRefusedHere = (failure: Failure): boolean => failure === ELSEWHERE.failure || failure === MOVING.failure;

/**
 * A condition for reads: the tenant is served here.
 * @param tenant the parameter that names it, such as `$1`
 */
export const isHere = (tenant: string): string => `not exists (select from away where away.tenant = ${tenant} and away.until is null)`;

/** For a read that found nothing, perhaps because the condition above was false. */
export async function refusalOf(sql: Queries, tenant: string): Promise<Refusal | undefined> {
  const rows = await sql`select from away where tenant = ${tenant} and until is null`;
  return rows.length === 0 ? undefined : ELSEWHERE;
}

/**
 * Ends the fences of moves whose last step took too long: their tenants are writable here again. A move that is just being decided is
 * locked, and skipped.
 */
export async function endOldFences(sql: Queries): Promise<void> {
  const [old] = await sql`select from away where until < clock_timestamp() limit 1`;
  if (old !== undefined)
    await sql`delete from away where tenant in (select tenant from away where until < clock_timestamp() for update skip locked) and until is not null`;
}

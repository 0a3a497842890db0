/** Billing periods: when a contract ends and whether it renews itself. */
import type { BillingPeriod } from './contract.ts';

const DAY_MS = 86_400_000;
export const DEFAULT_RENEWAL_DAYS = 30;

/** A period that begins now. */
export const newPeriod = (now: number, autoRenew: boolean, renewalDays: number): BillingPeriod => ({
  startDate: now,
  endDate: now + renewalDays * DAY_MS,
  autoRenew,
  renewalDays,
});

export const isExpired = ({ endDate }: BillingPeriod, now: number): boolean => endDate < now;

/** An expired period, extended by as many renewals as it takes to end after now. */
export function renewedPeriod(period: BillingPeriod, now: number): BillingPeriod {
  const days = Math.max(1, period.renewalDays) * DAY_MS;
  const renewals = Math.max(1, Math.ceil((now - period.endDate) / days));
  return { ...period, endDate: period.endDate + renewals * days };
}

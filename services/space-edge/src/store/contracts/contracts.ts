/**
 * Reads single contracts in their current state, and consumes their limits.
 *
 * A contract is a vertex `space/Contract` (`contracts/contract.ts`) and a vertex `space/UsageLevels` with the id `<contract>.usage`
 * (`usage/levels.ts`), created, changed and deleted together. `find` reads both from one state of the graph. Consumption writes only the
 * second one, with operators that the store applies one after the other: it needs no version and never loses a count.
 */
import type { Operation } from '@polyedge/contracts/bus/graph';
import { isFull, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { isExpired, renewedPeriod } from '../../contracts/billing.ts';
import { CONTRACT_KEY, CONTRACT_TYPE, type Contract, contractAttributes, toContract } from '../../contracts/contract.ts';
import { ofGroup } from '../../contracts/job.ts';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import { entryOf } from '../../protocol/entries.ts';
import { dueRenewals, levelAttributes, toUsage, USAGE_TYPE, type Usage, usageId } from '../../usage/levels.ts';
import { isType, shortened } from '../catalogue/service-parts.ts';
import type { Graph } from '../graph.ts';
import { RACES, rounds } from '../rounds.ts';

/** The consumption of one limit. */
export interface Consumption {
  /** `limitKey(service, limit)`. */
  readonly key: string;
  readonly amount: number;
  /**
   * The condition on the level before, under which the decision stays valid: a test of `libs/query` on its number. Without it any level is
   * accepted.
   */
  readonly requires?: { readonly test: 'equal' | 'less' | 'at-most' | 'more' | 'at-least'; readonly value: number };
}

/** How far back an evaluation can be reverted. */
const REVERT_MS = 120_000;
const CONSUME = 'usage-consume';
const REVERT = 'usage-revert';

/** SPACE's own text, including its typo: clients compare it. */
const EXPIRED =
  'Invalid subscription: Your susbcription has expired and it is not set to renew automatically. To continue accessing the features, please purchase any subscription.';

export class Contracts {
  readonly #graph: Graph;
  readonly #now: () => number;

  /** @param options.now the time in milliseconds */
  constructor(options: { readonly graph: Graph; readonly now: () => number }) {
    this.#graph = options.graph;
    this.#now = options.now;
  }

  /**
   * A user's stored contract with its levels; 404 if there is none.
   * @param organizationId the only organization it may belong to; undefined: any
   */
  async find(userId: string, organizationId: string | undefined): Promise<Result<Contract>> {
    const found = await this.#graph.find(
      { all: [ofContracts, { test: 'equal', path: ['attributes', CONTRACT_KEY], value: userId }] },
      { limit: 2 },
    );
    if (!found.ok) return refused(found.failure);
    const contract = joined(found.value.elements)[0];
    return contract === undefined || (organizationId !== undefined && contract.organizationId !== organizationId)
      ? refuse(404, `Contract with userId ${shortened(userId)} not found`)
      : got(contract);
  }

  /**
   * The organizations with contracts of a group.
   * @param organizationId the only organization to look in; undefined: any
   * @param see is shown each of these contracts, with its user and billing period
   */
  async organizationsOf(
    groupId: string,
    organizationId: string | undefined,
    see: (element: Element) => void = () => {},
  ): Promise<Result<string[]>> {
    const organizations = new Set<string>();
    const filter: Filter = { all: [isType(CONTRACT_TYPE), ...ofGroup(groupId, organizationId)] };
    const read = await this.#graph.every(filter, [CONTRACT_KEY, 'organizationId', 'billingPeriod'], (element) => {
      if (typeof element.attributes.organizationId === 'string') organizations.add(element.attributes.organizationId);
      see(element);
    });
    return read.ok ? got([...organizations]) : refused(read.failure);
  }

  /** The contract for an evaluation: renewed if due and renewing automatically, with due levels reset; 404, or 400 if it has expired. */
  current(userId: string, organizationId: string | undefined): Promise<Result<Contract>> {
    return rounds('contract', async () => {
      const found = await this.find(userId, organizationId);
      if (!found.ok) return found;
      const kept = await this.upToDate(found.value);
      if (!kept.ok) return kept;
      return kept.value === 'again' ? 'again' : got(kept.value);
    });
  }

  /** The same for a contract that was already read; `again`: it was changed meanwhile and must be read again. */
  async upToDate(contract: Contract): Promise<Result<Contract | 'again'>> {
    const now = this.#now();
    const expired = isExpired(contract.billingPeriod, now);
    if (expired && !contract.billingPeriod.autoRenew) return refuse(400, EXPIRED);
    const operations: Operation[] = [];
    const billingPeriod = expired ? renewedPeriod(contract.billingPeriod, now) : contract.billingPeriod;
    if (expired) {
      const set = { billingPeriod: contractAttributes({ ...contract, billingPeriod }).billingPeriod ?? null };
      operations.push({ op: 'update', target: { id: contract.id, where: isType(CONTRACT_TYPE) }, version: contract.elementVersion, set });
    }
    const due = dueRenewals(contract.usage, now);
    if (due.length > 0) {
      operations.push({
        op: 'update',
        target: { id: contract.usage.id, where: isType(USAGE_TYPE) },
        // A concurrent caller finds other times and does not reset the new period's count.
        before: { all: [sameTerms(contract), ...due.map(([key, , { at }]) => equal(['renewals', key, 'at'], new Date(at).toISOString()))] },
        put: due.flatMap(([key, next]) => [
          { path: ['consumed', key], value: 0 },
          { path: ['renewals', key, 'at'], value: new Date(next.at).toISOString() },
        ]),
      });
    }
    if (operations.length === 0) return got(contract);
    const written = await this.#graph.write('usage-renew', contract.organizationId, operations);
    if (!written.ok) return RACES.has(written.failure.code) ? got('again' as const) : refused(written.failure);
    // Read again instead of computed, because others may have consumed in between.
    return got('again' as const);
  }

  /**
   * Consumes several limits atomically. `changed`: the contract or a level no longer meets the conditions; read again and decide anew.
   * @returns the contract with its levels right after
   */
  async consume(contract: Contract, consumptions: readonly Consumption[]): Promise<Result<Contract | 'changed'>> {
    const guards: Filter[] = [sameTerms(contract)];
    for (const { key, requires } of consumptions) {
      if (requires !== undefined) guards.push({ test: requires.test, path: ['attributes', 'consumed', key], value: requires.value });
    }
    const operations = consumptions.map(
      ({ key, amount }, at): Operation => ({
        op: 'apply',
        target: { id: contract.usage.id, where: isType(USAGE_TYPE) },
        attribute: 'consumed',
        operator: 'hincr',
        key,
        value: amount,
        ...(at === 0 ? { before: { all: guards } } : {}),
      }),
    );
    if (operations.length === 0) return got(contract);
    const written = await this.#graph.write(CONSUME, contract.organizationId, operations, true);
    if (!written.ok) return RACES.has(written.failure.code) ? got('changed' as const) : refused(written.failure);
    return withUsageOf(contract, written.value.operations.at(-1)?.elements[0]);
  }

  /**
   * Reverts the consumption of evaluations of some limits within the last two minutes: the levels return to those before the oldest (or the
   * latest) of these evaluations, but not beyond a reset. Limits without one keep their level.
   */
  async revert(
    userId: string,
    organizationId: string | undefined,
    keys: (contract: Contract) => readonly string[],
    latest: boolean,
  ): Promise<Result<Contract>> {
    return rounds('contract', async () => {
      const found = await this.find(userId, organizationId);
      if (!found.ok) return found;
      const contract = found.value;
      const earlier = await this.#levelsBefore(contract.usage, keys(contract), latest);
      if (!earlier.ok) return earlier;
      if (earlier.value.size === 0) return got(contract);
      const put = [...earlier.value].map(([key, value]) => ({ path: ['consumed', key], value }));
      const target = { id: contract.usage.id, where: isType(USAGE_TYPE) };
      const operation: Operation = { op: 'update', target, version: contract.usage.elementVersion, put };
      const written = await this.#graph.write(REVERT, contract.organizationId, [operation], true);
      if (!written.ok) return RACES.has(written.failure.code) ? 'again' : refused(written.failure);
      return withUsageOf(contract, written.value.operations[0]?.elements[0]);
    });
  }

  async #levelsBefore(usage: Usage, keys: readonly string[], latest: boolean): Promise<Result<Map<string, number>>> {
    const before = new Map<string, number>();
    const seen = await this.#graph.history(usage.id, this.#now() - REVERT_MS, (change) => {
      const { operation } = change.origin;
      if (operation === REVERT || !isFull(change)) return;
      const state = stateBefore(change.state, change.undo);
      const [old, now] = [state === undefined ? undefined : toUsage(state), toUsage(change.state)];
      for (const key of keys) {
        const level = old === undefined ? undefined : entryOf(old.consumed, key);
        const after = entryOf(now.consumed, key);
        if (level === undefined || level === after) continue;
        // A reset, a renewal or another pricing.
        if (operation !== CONSUME && after === 0) before.delete(key);
        if (operation === CONSUME && (latest || !before.has(key))) before.set(key, level);
      }
    });
    return seen.ok ? got(before) : refused(seen.failure);
  }
}

const equal = (path: readonly string[], value: string | number): Filter => ({ test: 'equal', path: ['attributes', ...path], value });
/** Matches both vertices of contracts. */
const ofContracts: Filter = { test: 'in', path: ['type'], values: [CONTRACT_TYPE, USAGE_TYPE] };
const sameTerms = ({ terms }: Contract): Filter => equal(['terms'], terms);

/** The contracts whose two vertices are both among the elements, in the order of the contracts. */
export function joined(elements: readonly Element[]): Contract[] {
  const usages = new Map(elements.flatMap((element) => (element.type === USAGE_TYPE ? [[element.id, element] as const] : [])));
  return elements.flatMap((element) => {
    const usage = element.type === CONTRACT_TYPE ? usages.get(usageId(element.id)) : undefined;
    return usage === undefined ? [] : [toContract(element, toUsage(usage))];
  });
}

function withUsageOf(contract: Contract, element: Element | undefined): Result<Contract> {
  return element === undefined ? refuse(500, 'The service failed unexpectedly') : got({ ...contract, usage: toUsage(element) });
}

export const usageAttributes = (
  contract: { readonly id: string; readonly userId: string; readonly organizationId: string; readonly terms: number },
  levels: Parameters<typeof levelAttributes>[0],
) => ({
  userId: contract.userId,
  organizationId: contract.organizationId,
  contract: contract.id,
  terms: contract.terms,
  ...levelAttributes(levels),
});

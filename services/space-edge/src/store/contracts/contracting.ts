/**
 * Creates, changes and deletes contracts. Everything is checked first, then written atomically: the contract, its levels, and guards on its
 * services. A write that lost a race is repeated with fresh data, so two novations never mix.
 */
import { ALWAYS_FITTING, type Operation } from '@polyedge/contracts/bus/graph';
import type { Filter } from '@polyedge/query/filter';
import { newPeriod } from '../../contracts/billing.ts';
import type { BillingChange, ContractBody } from '../../contracts/body.ts';
import { CONTRACT_KEY, CONTRACT_TYPE, type Contract, contractAttributes, toPeriod, type UserContact } from '../../contracts/contract.ts';
import { done, ofGroup, type Task } from '../../contracts/job.ts';
import type { ContractPage } from '../../contracts/listing.ts';
import { levelsOf, type Novated, novated } from '../../contracts/novation.ts';
import type { Subscription } from '../../contracts/subscription.ts';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import { entryOf } from '../../protocol/entries.ts';
import { isCountable, limitKey, resetLevels, splitLimitKey, toUsage, USAGE_TYPE, usageId } from '../../usage/levels.ts';
import type { Offering, Resolved } from '../catalogue/offering.ts';
import { isType, shortened } from '../catalogue/service-parts.ts';
import { deleteAll } from '../delete-all.ts';
import { type Graph, newId } from '../graph.ts';
import { RACES, rounds } from '../rounds.ts';
import { type Contracts, joined, usageAttributes } from './contracts.ts';
import type { Jobs } from './jobs.ts';
import { novationOperations } from './novations.ts';

/** The caller, and the organization whose contracts it works with. */
export interface Holder {
  /** Undefined: all organizations, for an administrator. */
  readonly organizationId: string | undefined;
  readonly by: string;
}

/** A group up to this size changes in one mutation, unless its contracts are too large for it; others change by a job. */
const MAX_AT_ONCE = 100;
const MAX_OPERATIONS = 900;
/** Maximum contracts in the answer to a change of a group; `ALWAYS_FITTING` if so many are too large for it. */
const MAX_SHOWN = 1000;
/** The status of `too-large`. */
const TOO_LARGE = 413;

export interface ContractingOptions {
  readonly graph: Graph;
  readonly contracts: Contracts;
  readonly offering: Offering;
  readonly jobs: Jobs;
  readonly now: () => number;
}

export class Contracting {
  readonly #graph: Graph;
  readonly #contracts: Contracts;
  readonly #offering: Offering;
  readonly #jobs: Jobs;
  readonly #now: () => number;

  constructor({ graph, contracts, offering, jobs, now }: ContractingOptions) {
    this.#graph = graph;
    this.#contracts = contracts;
    this.#offering = offering;
    this.#jobs = jobs;
    this.#now = now;
  }

  async list(
    organizationId: string | undefined,
    filters: readonly Filter[],
    { offset, limit, sort, order }: ContractPage,
  ): Promise<Result<{ readonly contracts: Contract[]; readonly total: number }>> {
    const all: Filter[] = [isType(CONTRACT_TYPE), ...filters];
    if (organizationId !== undefined) all.push({ test: 'equal', path: ['attributes', 'organizationId'], value: organizationId });
    const page = { offset, limit, count: true, sort: [{ path: ['attributes', 'userContact', sort], order }] };
    const found = await this.#graph.find({ all }, page);
    if (!found.ok) return refused(found.failure);
    const usages = await this.#graph.get(found.value.elements.map(({ id }) => usageId(id)));
    if (!usages.ok) return refused(usages.failure);
    return got({ contracts: joined([...found.value.elements, ...usages.value]), total: found.value.count });
  }

  /** Creates a contract for a user who has none. */
  async create(organizationId: string, by: string, body: ContractBody): Promise<Result<Contract>> {
    return rounds('contract', async () => {
      const { userContact, groupId, autoRenew, renewalDays } = body;
      const { userId } = userContact;
      const known = await this.#contracts.find(userId, undefined);
      if (known.ok) return refuse(409, `CONFLICT: Contract for user ${userId} already exists`);
      if (known.answer.status !== 404) return known;
      const resolved = await this.#offering.resolveNew(organizationId, body.subscription);
      if (!resolved.ok) return resolved;
      const { subscription, offers, limits, guards } = resolved.value;
      const now = this.#now();
      const id = newId();
      const terms = {
        userId,
        organizationId,
        groupId,
        userContact,
        billingPeriod: newPeriod(now, autoRenew, renewalDays),
        ...subscription,
        offers,
        terms: 1,
        history: [],
      };
      const usage = usageAttributes({ id, userId, organizationId, terms: 1 }, levelsOf(limits, now));
      const written = await this.#graph.write('contract-create', by, [
        { op: 'create', type: CONTRACT_TYPE, id, attributes: contractAttributes(terms), unique: [CONTRACT_KEY] },
        { op: 'create', type: USAGE_TYPE, id: usageId(id), attributes: usage },
        ...guards,
      ]);
      if (!written.ok) return RACES.has(written.failure.code) ? 'again' : refused(written.failure);
      return contractIn(written.value.operations.slice(0, 2).flatMap(({ elements }) => elements));
    });
  }

  /** Replaces a user's subscription. */
  novate(
    { organizationId, by }: Holder,
    userId: string,
    subscription: Subscription,
    autoRenew: boolean | undefined,
  ): Promise<Result<Contract>> {
    return this.#change('contract-novate', by, userId, organizationId, async (contract) => {
      const resolved = await this.#offering.resolveAny(contract.organizationId, subscription);
      if (!resolved.ok) return resolved;
      return got({ novated: novated(contract, { ...resolved.value, autoRenew }, this.#now()), guards: resolved.value.guards });
    });
  }

  /** The same for all contracts of a group; all are checked before the first is changed. */
  async novateGroup(
    { organizationId, by }: Holder,
    groupId: string,
    subscription: Subscription,
    autoRenew: boolean | undefined,
  ): Promise<Result<Contract[]>> {
    const organizations = await this.#contracts.organizationsOf(groupId, organizationId);
    if (!organizations.ok) return organizations;
    if (organizations.value.length === 0) {
      return refuse(404, `INVALID DATA: No contracts found with groupId ${shortened(groupId)} within organization ${organizationId}`);
    }
    const plans: { readonly organization: string; readonly resolved: Resolved }[] = [];
    for (const organization of organizations.value) {
      const resolved = await this.#offering.resolveAny(organization, subscription);
      if (!resolved.ok) return resolved;
      plans.push({ organization, resolved: resolved.value });
    }
    for (const { organization, resolved } of plans) {
      const { offers } = resolved;
      const task: Task = {
        kind: 'novation',
        groupId,
        organizationId: organization,
        ...mutable(resolved.subscription),
        offers: { ...offers },
        ...(autoRenew === undefined ? {} : { autoRenew }),
      };
      const changed = await this.#changeGroup(by, organization, task, resolved);
      if (!changed.ok) return changed;
    }
    return this.#shownGroup(groupId, organizationId);
  }

  /** Changes the end and renewal of a group's contracts. */
  async changeGroupBilling({ organizationId, by }: Holder, groupId: string, change: BillingChange): Promise<Result<Contract[]>> {
    let wrong: string | undefined;
    const organizations = await this.#contracts.organizationsOf(groupId, organizationId, ({ attributes }) => {
      const { billingPeriod, userId } = attributes;
      if (wrong === undefined && endsTooEarly(change, toPeriod(billingPeriod).startDate)) wrong = String(userId);
    });
    if (!organizations.ok) return organizations;
    if (organizations.value.length === 0) {
      return refuse(404, `INVALID DATA: Contract with groupId ${shortened(groupId)} not found within organization ${organizationId}`);
    }
    if (wrong !== undefined) {
      return refuse(
        400,
        `INVALID DATA: Error updating billing period for contract of user ${wrong}. End date cannot be before the start date.`,
      );
    }
    for (const organization of organizations.value) {
      const changed = await this.#changeGroup(
        by,
        organization,
        { kind: 'billing', groupId, organizationId: organization, ...change },
        undefined,
      );
      if (!changed.ok) return changed;
    }
    return this.#shownGroup(groupId, organizationId);
  }

  changeBilling({ organizationId, by }: Holder, userId: string, change: BillingChange): Promise<Result<Contract>> {
    return this.#change('contract-billing', by, userId, organizationId, async (contract) =>
      endsTooEarly(change, contract.billingPeriod.startDate)
        ? refuse(400, 'INVALID DATA: End date cannot be before the start date')
        : got({ novated: { terms: { ...contract, billingPeriod: { ...contract.billingPeriod, ...change } }, levels: contract.usage } }),
    );
  }

  changeContact({ organizationId, by }: Holder, userId: string, change: Omit<Partial<UserContact>, 'userId'>): Promise<Result<Contract>> {
    return this.#change('contract-contact', by, userId, organizationId, async (contract) =>
      got({ novated: { terms: { ...contract, userContact: { ...contract.userContact, ...change } }, levels: contract.usage } }),
    );
  }

  // ---- usage levels -------------------------------------------------------------------------------------------------------------------

  /** Adds to levels, or subtracts. Untracked limits are ignored, as in SPACE; a service that is not contracted is 400. */
  async increment(
    { organizationId, by }: Holder,
    userId: string,
    increments: Readonly<Record<string, Readonly<Record<string, number>>>>,
  ): Promise<Result<Contract>> {
    return rounds('contract', async () => {
      const found = await this.#contracts.find(userId, organizationId);
      if (!found.ok) return found;
      const contract = found.value;
      const foreign = Object.keys(increments).find((service) => !Object.hasOwn(contract.contractedServices, service));
      if (foreign !== undefined) return refuse(400, `INVALID DATA: Service ${shortened(foreign)} is not part of the contract`);
      const amounts = Object.entries(increments).flatMap(([service, limits]) =>
        Object.entries(limits).flatMap(([limit, amount]) => {
          const key = trackedKey(contract, service, limit);
          return key === undefined ? [] : [{ key, amount }];
        }),
      );
      if (amounts.length === 0) return found;
      const beyond = amounts.find(({ key, amount }) => !isCountable(entryOf(contract.usage.consumed, key) ?? 0, amount));
      if (beyond !== undefined) return refuse(400, `INVALID DATA: The level of ${shortened(beyond.key)} would be beyond 2^53`);
      const target = { id: contract.usage.id, where: isType(USAGE_TYPE) };
      const before: Filter = { test: 'equal', path: ['attributes', 'terms'], value: contract.terms };
      const operations = amounts.map(
        ({ key, amount }): Operation => ({ op: 'apply', target, attribute: 'consumed', operator: 'hincr', key, value: amount, before }),
      );
      const written = await this.#graph.write('usage-increment', by, operations);
      if (!written.ok) return RACES.has(written.failure.code) ? 'again' : refused(written.failure);
      const element = written.value.operations.at(-1)?.elements[0];
      return element === undefined ? 'again' : got({ ...contract, usage: toUsage(element) });
    });
  }

  /** Resets levels to zero: the renewable ones, or all. */
  reset({ organizationId, by }: Holder, userId: string, renewableOnly: boolean): Promise<Result<Contract>> {
    return this.#change('usage-reset', by, userId, organizationId, async (contract) =>
      got({ novated: { terms: contract, levels: resetLevels(contract.usage, (_key, renewable) => renewable || !renewableOnly) } }),
    );
  }

  /** Resets one limit to zero in every service that has it. */
  resetLimit({ organizationId, by }: Holder, userId: string, limit: string): Promise<Result<Contract>> {
    return this.#change('usage-reset', by, userId, organizationId, async (contract) => {
      const is = (key: string): boolean => splitLimitKey(key).limit === limit;
      return Object.keys(contract.usage.consumed).some(is)
        ? got({ novated: { terms: contract, levels: resetLevels(contract.usage, is) } })
        : refuse(404, `Usage limit: ${shortened(limit)} not found in the contract. Maybe it's not being tracked as usage level`);
    });
  }

  // ---- deleting -----------------------------------------------------------------------------------------------------------------------

  async delete({ organizationId, by }: Holder, userId: string): Promise<Result<unknown>> {
    const found = await this.#contracts.find(userId, organizationId);
    if (!found.ok) return found;
    const { id } = found.value;
    const written = await this.#graph.write('contract-delete', by, [
      { op: 'delete', target: { id, where: isType(CONTRACT_TYPE) } },
      { op: 'delete', target: { where: { all: [isType(USAGE_TYPE), hasId([usageId(id)])] } } },
    ]);
    if (written.ok) return got(undefined);
    return written.failure.code === 'not-found'
      ? refuse(404, `Contract with userId ${shortened(userId)} not found`)
      : refused(written.failure);
  }

  /** Deletes all contracts of an organization, or all. @returns how many there were */
  prune({ organizationId, by }: Holder): Promise<Result<number>> {
    const all: Filter[] = [isType(CONTRACT_TYPE)];
    if (organizationId !== undefined) all.push({ test: 'equal', path: ['attributes', 'organizationId'], value: organizationId });
    const along = (ids: readonly string[]): Filter => ({ all: [isType(USAGE_TYPE), hasId(ids.map(usageId))] });
    return deleteAll(this.#graph, { operation: 'contract-prune', by, filter: { all }, along });
  }

  // ---- parts --------------------------------------------------------------------------------------------------------------------------

  async #change(
    operation: string,
    by: string,
    userId: string,
    organizationId: string | undefined,
    decide: (contract: Contract) => Promise<Result<{ readonly novated: Novated; readonly guards?: readonly Operation[] }>>,
  ): Promise<Result<Contract>> {
    return rounds('contract', async () => {
      const found = await this.#contracts.find(userId, organizationId);
      if (!found.ok) return found;
      const decided = await decide(found.value);
      if (!decided.ok) return decided;
      const { novated, guards = [] } = decided.value;
      const changes = novationOperations(found.value, novated);
      const written = await this.#graph.write(operation, by, [...changes, ...guards]);
      if (!written.ok) return RACES.has(written.failure.code) ? 'again' : refused(written.failure);
      // The last state of each vertex, because several operations may write a level.
      const states = new Map(
        written.value.operations.slice(0, changes.length).flatMap(({ elements }) => elements.map((one) => [one.id, one] as const)),
      );
      return contractIn([...states.values()]);
    });
  }

  /** Changes a small group in one mutation, a large one by a job. */
  async #changeGroup(
    by: string,
    organizationId: string,
    task: Task & { groupId: string },
    resolved: Resolved | undefined,
  ): Promise<Result<unknown>> {
    return rounds('contract', async () => {
      // Two changes of its contracts at once would undo each other.
      const settled = await this.#jobs.settleGroup(task.groupId, organizationId);
      if (!settled.ok) return settled;
      if (!settled.value) return refuse(409, 'CONFLICT: contracts of this group are being changed; try again when they are');
      const group = await this.#group(task.groupId, organizationId);
      if (!group.ok) return group;
      const guards = resolved?.guards ?? [];
      const { contracts, total } = group.value;
      const small = total <= MAX_AT_ONCE && total === contracts.length;
      const atOnce = small ? groupOperations(task, contracts, resolved, this.#now()) : undefined;
      if (atOnce !== undefined && atOnce.length + guards.length <= MAX_OPERATIONS) {
        if (atOnce.length === 0) return got(undefined);
        const written = await this.#graph.write(`contract-${task.kind}`, by, [...atOnce, ...guards]);
        if (written.ok) return got(undefined);
        if (RACES.has(written.failure.code)) return 'again';
        if (written.failure.code !== 'too-large') return refused(written.failure);
      }
      const planned = await this.#jobs.plan(by, organizationId, task);
      if (!planned.ok) return planned;
      const written = await this.#graph.write('job-start', by, [...planned.value.operations, ...guards]);
      if (!written.ok) return RACES.has(written.failure.code) ? 'again' : refused(written.failure);
      await this.#jobs.run(planned.value.id);
      return got(undefined);
    });
  }

  /** The contracts of a group as shown in an answer, which may be the first ones only, and their total number. */
  async #group(
    groupId: string,
    organizationId: string | undefined,
  ): Promise<Result<{ readonly contracts: Contract[]; readonly total: number }>> {
    const page = (limit: number) =>
      this.list(undefined, ofGroup(groupId, organizationId), { offset: 0, limit, sort: 'username', order: 'asc' });
    const listed = await page(MAX_SHOWN);
    return listed.ok || listed.answer.status !== TOO_LARGE ? listed : page(ALWAYS_FITTING);
  }

  async #shownGroup(groupId: string, organizationId: string | undefined): Promise<Result<Contract[]>> {
    const group = await this.#group(groupId, organizationId);
    return group.ok ? got(group.value.contracts) : group;
  }
}

/** Undefined if the task does not fit into one mutation. */
function groupOperations(task: Task, group: readonly Contract[], resolved: Resolved | undefined, now: number): Operation[] | undefined {
  const operations: Operation[] = [];
  for (const contract of group) {
    const novated = done(task, contract, resolved?.pricings ?? new Map(), now);
    if (novated === undefined) return undefined;
    operations.push(...novationOperations(contract, novated));
  }
  return operations;
}

const hasId = (ids: readonly string[]): Filter => ({ test: 'in', path: ['id'], values: ids });

const endsTooEarly = ({ endDate }: BillingChange, startDate: number): boolean => endDate !== undefined && endDate < startDate;

/** Finds a limit by its plain name, or by the name in evaluations (`service-limit`). */
function trackedKey({ usage }: Contract, service: string, limit: string): string | undefined {
  const plain = limit.startsWith(`${service}-`) ? limit.slice(service.length + 1) : limit;
  return [limit, plain].map((name) => limitKey(service, name)).find((key) => entryOf(usage.consumed, key) !== undefined);
}

const mutable = ({ contractedServices, subscriptionPlans, subscriptionAddOns }: Subscription) => ({
  contractedServices: { ...contractedServices },
  subscriptionPlans: { ...subscriptionPlans },
  subscriptionAddOns: Object.fromEntries(Object.entries(subscriptionAddOns).map(([name, addOns]) => [name, { ...addOns }])),
});

function contractIn(elements: Parameters<typeof joined>[0]): Result<Contract> {
  const [contract] = joined(elements);
  return contract === undefined ? refuse(500, 'The service failed unexpectedly') : got(contract);
}

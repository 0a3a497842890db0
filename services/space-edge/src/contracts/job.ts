/**
 * Changes of many contracts as a job: a vertex `space/Job` with the task, its progress, and the lease of the replica that works on it. The
 * remaining contracts are found by a query, so nothing is lost if that replica dies: another one continues.
 */
import type { Element } from '@polyedge/contracts/element';
import { check, type Static, T } from '@polyedge/contracts/schema';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { trackedLimits } from '../usage/levels.ts';
import { CONTRACT_TYPE, type Contract } from './contract.ts';
import { fallenBack, type Novated, novated, serviceMoved, serviceRenamed } from './novation.ts';

export const JOB_TYPE = 'space/Job';
/** The attribute of a contract that names the last job that changed it. */
export const JOB_MARK = 'job';
/** The attribute of a job that names its group: unique, so that a group has one running job at most. The next job takes it from those that ended. */
export const JOB_GROUP = 'group';

const Texts = T.Record(T.String(), T.String());
const AddOns = T.Record(T.String(), T.Number());

const TaskSchema = T.Union([
  /** Moves the contracts of an archived pricing to another one. `key` is the case-folded name of the service. */
  T.Object({
    kind: T.Literal('fallback'),
    service: T.String(),
    key: T.String(),
    from: T.String(),
    pricing: T.String(),
    version: T.String(),
    plan: T.Optional(T.String()),
    addOns: AddOns,
  }),
  T.Object({ kind: T.Literal('rename'), service: T.String(), from: T.String(), to: T.String() }),
  T.Object({
    kind: T.Literal('move'),
    service: T.String(),
    from: T.String(),
    to: T.String(),
    fromOrganization: T.String(),
    toOrganization: T.String(),
  }),
  T.Object({
    kind: T.Literal('novation'),
    groupId: T.String(),
    organizationId: T.Optional(T.String()),
    contractedServices: Texts,
    subscriptionPlans: Texts,
    subscriptionAddOns: T.Record(T.String(), AddOns),
    offers: T.Record(T.String(), T.Object({ service: T.String(), pricing: T.String() })),
    autoRenew: T.Optional(T.Boolean()),
  }),
  T.Object({
    kind: T.Literal('billing'),
    groupId: T.String(),
    organizationId: T.Optional(T.String()),
    endDate: T.Optional(T.Number()),
    autoRenew: T.Optional(T.Boolean()),
    renewalDays: T.Optional(T.Number()),
  }),
]);
export type Task = Static<typeof TaskSchema>;
const task = check(TaskSchema);

export type JobState = 'running' | 'done' | 'failed';

export interface Job {
  readonly id: string;
  readonly by: string;
  readonly organizationId: string;
  readonly state: JobState;
  readonly total: number;
  readonly done: number;
  /** The time until which other replicas leave it alone, in milliseconds. */
  readonly until: number;
  readonly task: Task;
}

export const newJob = (by: string, organizationId: string, what: Task, total: number): JsonObject => ({
  by,
  organizationId,
  ...('service' in what ? { service: what.service } : {}),
  ...('groupId' in what ? { [JOB_GROUP]: groupName(what.groupId, what.organizationId) } : {}),
  state: 'running',
  total,
  done: 0,
  owner: '',
  until: 0,
  // Attributes cannot contain undefined.
  task: JSON.parse(JSON.stringify(what)) as JsonObject,
});

/** The value of `JOB_GROUP`. */
export const groupName = (groupId: string, organizationId = ''): string => `${organizationId}/${groupId}`;

/** Undefined for a vertex that is not a job known to this version. */
export function toJob({ id, attributes }: Element): Job | undefined {
  const { by, organizationId, state, total, done, until } = attributes;
  if (!task.test(attributes.task) || (state !== 'running' && state !== 'done' && state !== 'failed')) return undefined;
  return {
    id,
    by: typeof by === 'string' ? by : '',
    organizationId: typeof organizationId === 'string' ? organizationId : '',
    state,
    total: typeof total === 'number' ? total : 0,
    done: typeof done === 'number' ? done : 0,
    until: typeof until === 'number' ? until : 0,
    task: attributes.task,
  };
}

/** The job as shown to callers. */
export const shownJob = ({ id, state, total, done, task: { kind } }: Job): JsonObject => ({
  id,
  kind,
  state,
  total: Math.max(total, done),
  done,
});

const at = (...path: string[]): readonly string[] => ['attributes', ...path];

/** A filter for the contracts that a job still has to change. */
export function left(id: string, what: Task): Filter {
  const all: Filter[] = [{ test: 'equal', path: ['type'], value: CONTRACT_TYPE }];
  switch (what.kind) {
    case 'fallback':
      all.push({ test: 'equal', path: at('offers', what.key, 'pricing'), value: what.from });
      break;
    case 'rename':
      all.push({ test: 'equal', path: at('offers', what.from, 'service'), value: what.service });
      break;
    case 'move':
      all.push({ test: 'equal', path: at('organizationId'), value: what.fromOrganization });
      all.push({ test: 'equal', path: at('offers', what.from, 'service'), value: what.service });
      break;
    case 'novation':
    case 'billing':
      all.push(...ofGroup(what.groupId, what.organizationId), { not: { test: 'equal', path: at(JOB_MARK), value: id } });
      break;
  }
  return { all };
}

export const ofGroup = (groupId: string, organizationId: string | undefined): Filter[] => [
  { test: 'equal', path: at('groupId'), value: groupId },
  ...(organizationId === undefined ? [] : [{ test: 'equal' as const, path: at('organizationId'), value: organizationId }]),
];

/** The pricings that a task needs. */
export function pricingsOf(what: Task): readonly string[] {
  if (what.kind === 'fallback') return [what.pricing];
  return what.kind === 'novation' ? Object.values(what.offers).map(({ pricing }) => pricing) : [];
}

/** @param pricings attributes of `pricingsOf`, by id; undefined if one is gone and the task can no longer be done */
export function done(what: Task, contract: Contract, pricings: ReadonlyMap<string, JsonObject>, now: number): Novated | undefined {
  switch (what.kind) {
    case 'fallback': {
      const pricing = pricings.get(what.pricing);
      if (pricing === undefined) return undefined;
      const { plan, addOns, version } = what;
      const offer = { service: what.service, pricing: what.pricing };
      return fallenBack(contract, what.key, { plan, addOns, version, offer, limits: trackedLimits(pricing) }, now);
    }
    case 'rename':
      return serviceRenamed(contract, what.from, what.to);
    case 'move':
      return serviceMoved(contract, what.from, what.to, what.toOrganization, now);
    case 'novation': {
      const { offers, autoRenew } = what;
      const limits = Object.entries(offers).flatMap(([service, { pricing }]) => {
        const attributes = pricings.get(pricing);
        return attributes === undefined ? [] : [[service, trackedLimits(attributes)] as const];
      });
      if (limits.length < Object.keys(offers).length) return undefined;
      return novated(contract, { subscription: what, offers, limits: Object.fromEntries(limits), autoRenew }, now);
    }
    case 'billing': {
      const { endDate, autoRenew, renewalDays } = what;
      const { billingPeriod } = contract;
      return {
        terms: {
          ...contract,
          billingPeriod: {
            ...billingPeriod,
            ...(endDate === undefined ? {} : { endDate }),
            ...(autoRenew === undefined ? {} : { autoRenew }),
            ...(renewalDays === undefined ? {} : { renewalDays }),
          },
        },
        levels: contract.usage,
      };
    }
  }
}

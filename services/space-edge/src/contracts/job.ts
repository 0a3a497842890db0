/**
 * Changes of many contracts as a job: a vertex `space/Job` that says what is to be done, how much of it is, and who does it now. Which
 * contracts are left is asked of the store, so nothing is lost when whoever does it dies: another replica goes on.
 */
import type { Element } from '@polyedge/contracts/element';
import { check, type Static, T } from '@polyedge/contracts/schema';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { trackedLimits } from '../usage/levels.ts';
import { CONTRACT_TYPE, type Contract } from './contract.ts';
import { fallenBack, type Novated, novated, serviceMoved, serviceRenamed } from './novation.ts';

export const JOB_TYPE = 'space/Job';
/** The attribute of a contract that says which job of a group changed it last. */
export const JOB_MARK = 'job';

const Texts = T.Record(T.String(), T.String());
const AddOns = T.Record(T.String(), T.Number());

const TaskSchema = T.Union([
  /** Contracts of an archived pricing get another one. `key` is the folded name of the service. */
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
  /** Until when another replica leaves it alone, in milliseconds. */
  readonly until: number;
  readonly task: Task;
}

export const newJob = (by: string, organizationId: string, what: Task, total: number): JsonObject => ({
  by,
  organizationId,
  ...('service' in what ? { service: what.service } : {}),
  state: 'running',
  total,
  done: 0,
  owner: '',
  until: 0,
  // What is undefined has no place in an attribute.
  task: JSON.parse(JSON.stringify(what)) as JsonObject,
});

/** Undefined for a vertex that is no job this version understands. */
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

/** As a caller reads it. */
export const shownJob = ({ id, state, total, done, task: { kind } }: Job): JsonObject => ({
  id,
  kind,
  state,
  total: Math.max(total, done),
  done,
});

const at = (...path: string[]): readonly string[] => ['attributes', ...path];

/** The contracts that a job has still to change. */
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

/** The pricings that a task needs to know. */
export function pricingsOf(what: Task): readonly string[] {
  if (what.kind === 'fallback') return [what.pricing];
  return what.kind === 'novation' ? Object.values(what.offers).map(({ pricing }) => pricing) : [];
}

/** @param pricings attributes of `pricingsOf`, by id; undefined when one is gone and the task cannot be done any more */
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

/** Parses the bodies of contract requests. The first problem is the answer, 422 with SPACE's text. Null counts as absent for optional fields. */
import { parseDate } from '@polyedge/contracts/date-text';
import { setOwn } from '@polyedge/query/own-properties';
import { foldedName } from '../catalogue/service.ts';
import { got, type Result, refuse } from '../protocol/answer.ts';
import { type Fields, fieldsOf } from '../protocol/fields.ts';
import { DEFAULT_RENEWAL_DAYS } from './billing.ts';
import type { UserContact } from './contract.ts';
import type { Subscription } from './subscription.ts';

/** The most services of one contract. */
const MAX_SERVICES = 100;
const MAX_ADD_ONS = 200;
const MAX_TEXT = 255;
const MAX_RENEWAL_DAYS = 36_500;
/** The largest increment. */
const MAX_AMOUNT = 1e12;
/** User ids that cannot be used in paths below `/contracts/`: a segment of its own, and those that clients remove from a path. */
const RESERVED_USERS: ReadonlySet<string> = new Set(['billingPeriod', '.', '..']);

export interface ContractBody {
  readonly userContact: UserContact;
  readonly autoRenew: boolean;
  readonly renewalDays: number;
  readonly groupId: string | undefined;
  /** The caller's if undefined. */
  readonly organizationId: string | undefined;
  readonly subscription: Subscription;
}

export function readContract(body: unknown): Result<ContractBody> {
  const fields = fieldsOf(body);
  const userContact = readNewContact(fields.userContact);
  if (!userContact.ok) return userContact;
  const billing = readBilling(fields.billingPeriod);
  if (!billing.ok) return billing;
  const subscription = readSubscription(body);
  if (!subscription.ok) return subscription;
  const { groupId, organizationId } = fields;
  if (groupId !== undefined && !isText(groupId)) return refuse(422, 'The groupId field must be a string');
  if (organizationId !== undefined && !isText(organizationId)) return refuse(422, 'The organizationId field must be a string');
  return got({ userContact: userContact.value, ...billing.value, groupId, organizationId, subscription: subscription.value });
}

function readNewContact(value: unknown): Result<UserContact> {
  if (value === undefined) return refuse(422, 'The userContact field is required');
  if (!isMap(value)) return refuse(422, 'The userContact field must be an object');
  const { userId, username } = fieldsOf(value);
  if (userId === undefined) return refuse(422, 'The userContact.userId field is required');
  if (typeof userId !== 'string') return refuse(422, 'The userContact.userId field must be a string');
  if (userId === '') return refuse(422, 'The userContact.userId field cannot be empty');
  if (!isText(userId) || RESERVED_USERS.has(userId)) return refuse(422, 'The userContact.userId field has a value that is not allowed');
  if (username === undefined) return refuse(422, 'The userContact.username field is required');
  if (!isText(username)) return refuse(422, 'The userContact.username field must be a string');
  const rest = readDetails(fieldsOf(value), 'userContact.');
  return rest.ok ? got({ userId, username, ...rest.value }) : rest;
}

type Details = Omit<Partial<UserContact>, 'userId'>;

function readDetails(fields: Fields, prefix: string): Result<Details> {
  const details: Record<string, string> = {};
  for (const name of ['firstName', 'lastName', 'email', 'phone']) {
    const value = fields[name];
    if (value === undefined) continue;
    if (name === 'email' && !(isText(value) && EMAIL.test(value)))
      return refuse(422, `The ${prefix}email field must be a valid email address`);
    if (!isText(value)) return refuse(422, `The ${prefix}${name} field must be a string`);
    details[name] = value;
  }
  return got(details);
}

/** An address with a domain that has a dot, as SPACE's validator accepts it. */
const EMAIL = /^[^\s@"(),:;<>[\\\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+$/;

/** A change of the contact; the user id stays. */
export function readContactChange(body: unknown): Result<Details> {
  const fields = fieldsOf(body);
  if (Object.keys(fields).length === 0) return refuse(422, 'The body cannot be empty');
  const { username } = fields;
  if (username !== undefined && !isText(username)) return refuse(422, 'The username field must be a string');
  const details = readDetails(fields, '');
  return details.ok ? got({ ...(username === undefined ? {} : { username }), ...details.value }) : details;
}

function readBilling(value: unknown): Result<{ readonly autoRenew: boolean; readonly renewalDays: number }> {
  if (value === undefined) return got({ autoRenew: false, renewalDays: DEFAULT_RENEWAL_DAYS });
  if (!isMap(value)) return refuse(422, 'The billingPeriod field must be an object');
  const fields = fieldsOf(value);
  const autoRenew = toBoolean(fields.autoRenew);
  if (fields.autoRenew !== undefined && autoRenew === undefined) return refuse(422, 'billingPeriod.autoRenew must be a boolean');
  if (autoRenew === true && fields.renewalDays === undefined)
    return refuse(422, 'billingPeriod.renewalDays is required when billingPeriod.autoRenew is true');
  const renewalDays = toDays(fields.renewalDays);
  if (fields.renewalDays !== undefined && renewalDays === undefined)
    return refuse(422, 'billingPeriod.renewalDays must be a positive integer');
  return got({ autoRenew: autoRenew ?? false, renewalDays: renewalDays ?? DEFAULT_RENEWAL_DAYS });
}

export interface BillingChange {
  /** In milliseconds. */
  readonly endDate?: number;
  readonly autoRenew?: boolean;
  readonly renewalDays?: number;
}

export function readBillingChange(body: unknown): Result<BillingChange> {
  const fields = fieldsOf(body);
  if (Object.keys(fields).length === 0) return refuse(422, 'The body cannot be empty');
  const endDate = toTime(fields.endDate);
  if (fields.endDate !== undefined && endDate === undefined) return refuse(422, 'The endDate field must be a valid date');
  const autoRenew = toBoolean(fields.autoRenew);
  if (fields.autoRenew !== undefined && autoRenew === undefined) return refuse(422, 'The autoRenew field must be a boolean');
  const renewalDays = toDays(fields.renewalDays);
  if (fields.renewalDays !== undefined && renewalDays === undefined) return refuse(422, 'renewalDays must be a positive integer');
  return got({
    ...(endDate === undefined ? {} : { endDate }),
    ...(autoRenew === undefined ? {} : { autoRenew }),
    ...(renewalDays === undefined ? {} : { renewalDays }),
  });
}

/** The three maps, all required; names of services are case-folded. */
export function readSubscription(body: unknown): Result<Subscription> {
  const { contractedServices, subscriptionPlans, subscriptionAddOns } = fieldsOf(body);
  if (contractedServices === undefined) return refuse(422, 'The contractedServices field is required');
  if (!isMap(contractedServices))
    return refuse(422, 'contractedServices must be an object where keys are service names and values are pricing versions');
  const versions: Record<string, string> = {};
  for (const [name, version] of Object.entries(contractedServices)) {
    if (version === '' || version === undefined || version === null)
      return refuse(422, 'Each value in contractedServices must be a string (service name)');
    if (!isText(version) || !isText(name)) return refuse(422, 'Each value in contractedServices must be a string (pricing version)');
    setOwn(versions, foldedName(name), version);
  }
  if (Object.keys(versions).length > MAX_SERVICES) return refuse(422, `A contract may have at most ${MAX_SERVICES} services`);
  if (subscriptionPlans === undefined) return refuse(422, 'The subscriptionPlans field is required');
  if (!isMap(subscriptionPlans))
    return refuse(422, 'subscriptionPlans must be an object where keys are service names and values are plan names');
  const plans: Record<string, string> = {};
  for (const [name, plan] of Object.entries(subscriptionPlans)) {
    if (plan === '') return refuse(422, 'Plan name cannot be empty');
    if (!isText(plan) || !isText(name)) return refuse(422, 'Plan name must be a string');
    setOwn(plans, foldedName(name), plan);
  }
  const addOns = readAddOns(subscriptionAddOns);
  if (!addOns.ok) return addOns;
  return got({ contractedServices: versions, subscriptionPlans: plans, subscriptionAddOns: addOns.value });
}

function readAddOns(value: unknown): Result<Record<string, Record<string, number>>> {
  if (value === undefined) return refuse(422, 'The subscriptionAddOns field is required');
  if (!isMap(value)) return refuse(422, 'subscriptionAddOns must be an object');
  const services: Record<string, Record<string, number>> = {};
  for (const [name, addOns] of Object.entries(value)) {
    if (!isMap(addOns) || !isText(name)) return refuse(422, 'Each value in subscriptionAddOns must be an object of add-ons');
    const quantities: Record<string, number> = {};
    for (const [addOn, quantity] of Object.entries(addOns)) {
      const number = typeof quantity === 'string' && /^\d{1,9}$/.test(quantity) ? Number(quantity) : quantity;
      if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0 || !isText(addOn))
        return refuse(422, 'Each add-on quantity must be an integer greater than or equal to 0');
      setOwn(quantities, addOn, number);
    }
    if (Object.keys(quantities).length > MAX_ADD_ONS) return refuse(422, `A service may have at most ${MAX_ADD_ONS} add-ons in a contract`);
    setOwn(services, foldedName(name), quantities);
  }
  return got(services);
}

/** Increments of usage levels, by case-folded service and limit. */
export function readIncrements(body: unknown): Result<Readonly<Record<string, Readonly<Record<string, number>>>>> {
  const wrong = refuse(422, 'The input must be an object with the structure: Record<string, Record<string, number>>');
  if (body === undefined || body === null) return got({});
  if (!isMap(body)) return wrong;
  const services: Record<string, Record<string, number>> = {};
  for (const [service, limits] of Object.entries(body)) {
    if (!isMap(limits)) return wrong;
    const amounts: Record<string, number> = {};
    for (const [limit, amount] of Object.entries(limits)) {
      // Larger amounts could not be counted exactly.
      if (typeof amount !== 'number' || !(Math.abs(amount) <= MAX_AMOUNT)) return wrong;
      setOwn(amounts, limit, amount);
    }
    setOwn(services, foldedName(service), amounts);
  }
  return got(services);
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Rejects NUL and unpaired surrogates, which the database cannot store. */
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_TEXT && !value.includes('\0') && value.isWellFormed();

/** Accepts texts too, because forms contain only texts. */
function toBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

function toDays(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= MAX_RENEWAL_DAYS ? number : undefined;
}

function toTime(value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const time = typeof value === 'string' ? parseDate(value) : new Date(value).getTime();
  return Number.isNaN(time) ? undefined : time;
}

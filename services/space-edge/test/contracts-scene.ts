/** Contracts for the tests about them, on the system of `rest-scene.ts`. */
import assert from 'node:assert/strict';
import { metered } from './metered.ts';
import { hex, url } from './rest-scene.ts';
import { type Answered, type Json, newOrganization, type Rest } from './system.ts';

export const DAY = 86_400_000;

export interface ContractOptions {
  readonly userId?: string;
  readonly username?: string;
  readonly groupId?: string;
  readonly services?: Readonly<Record<string, string>>;
  readonly plan?: string;
  readonly addOns?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly billingPeriod?: object;
  readonly organizationId?: string;
}

/** The body of a new contract. */
export function contract({
  userId = `user-${hex(6)}`,
  username = 'ann',
  services = { Zoom: '1' },
  plan = 'BASIC',
  addOns = {},
  ...rest
}: ContractOptions = {}) {
  return {
    userContact: { userId, username, email: 'ann@example.org' },
    contractedServices: services,
    subscriptionPlans: Object.fromEntries(Object.keys(services).map((name) => [name, plan])),
    subscriptionAddOns: addOns,
    ...rest,
  };
}

export async function organizationWith(...services: string[]) {
  const organization = await newOrganization(url);
  for (const name of services) assert.equal((await organization.rest.upload('/services', metered(name, '1'))).status, 201);
  return organization;
}

export const created = async (rest: Rest, given: ContractOptions = {}): Promise<Json> => {
  const made = await rest.post('/contracts', contract(given));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
};

export const rows = ({ body }: Answered): readonly Json[] => body as unknown as readonly Json[];

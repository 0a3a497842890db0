/** The organization of a call, if it is permitted: the key's own, or that in the path for a member with the right role. */
import { got, type Result, refuse } from '../protocol/answer.ts';
import { isId } from '../protocol/fields.ts';
import { type Organization, roleIn } from '../protocol/organization.ts';
import { rightOf, SERVICE_ROLES, type ServiceRight } from '../protocol/permissions.ts';
import { byOf } from '../store/accounts/identity.ts';
import type { Organizations } from '../store/accounts/organizations.ts';
import { type ServiceLocation, shortened } from '../store/catalogue/service-parts.ts';
import type { RestCall } from './call.ts';

export async function placeOf({ caller, params, method }: RestCall, organizations: Organizations): Promise<Result<ServiceLocation>> {
  if (caller === undefined) return refuse(401, 'API Key not found');
  if (caller.kind === 'organization') return got({ organizationId: caller.organization.id, by: byOf(caller) });
  const { organizationId = '' } = params;
  // Below an organization, SPACE treats an invalid id like an unknown organization.
  if (!isId(organizationId)) return refuse(404, `INVALID DATA: Organization with id ${shortened(organizationId)} not found`);
  const organization = await organizations.find(organizationId);
  if (!organization.ok) return organization;
  const problem = caller.role === 'ADMIN' ? undefined : roleProblem(organization.value, caller.account.id, rightOf(method));
  return problem === undefined ? got({ organizationId: organization.value.id, by: byOf(caller) }) : refuse(403, problem);
}

export function roleProblem(organization: Organization, account: string, right: ServiceRight): string | undefined {
  const role = roleIn(organization, account);
  if (role === undefined) return 'PERMISSION ERROR: You are not a member of this organization';
  const allowed: readonly string[] = SERVICE_ROLES[right];
  return allowed.includes(role) ? undefined : `PERMISSION ERROR: Your role (${role}) does not have permission to perform this operation`;
}

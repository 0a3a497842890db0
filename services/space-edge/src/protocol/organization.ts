/** An organization: its owner and its members. Its vertex contains account ids, so a renamed user remains the same member. */
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import { MEMBER_ROLES, type MemberRole, type OrganizationRole } from './permissions.ts';

export const ORGANIZATION_TYPE = 'space/Organization';
/** The attribute that makes a default organization unique for its owner. */
export const DEFAULT_OF = 'defaultOf';
/** Maximum members of one organization. */
export const MAX_MEMBERS = 1000;

export interface OrganizationMember {
  readonly account: string;
  readonly role: MemberRole;
}

export interface Organization {
  readonly id: string;
  readonly elementVersion: number;
  readonly name: string;
  /** An account's id. */
  readonly owner: string;
  readonly default: boolean;
  readonly members: readonly OrganizationMember[];
}

export function toOrganization({ id, version, attributes }: Element): Organization {
  const { name, owner, members } = attributes;
  return {
    id,
    elementVersion: version,
    name: typeof name === 'string' ? name : '',
    owner: typeof owner === 'string' ? owner : '',
    default: attributes.default === true,
    members: Array.isArray(members) ? members.flatMap(toMember) : [],
  };
}

function toMember(value: Json): OrganizationMember[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const { account, role } = value as JsonObject;
  const known = MEMBER_ROLES.find((one) => one === role);
  return typeof account === 'string' && known !== undefined ? [{ account, role: known }] : [];
}

export const newOrganization = (name: string, owner: string, isDefault: boolean): JsonObject => ({
  name,
  owner,
  default: isDefault,
  ...(isDefault ? { [DEFAULT_OF]: owner } : {}),
  members: [],
});

export const withMembers = (members: readonly OrganizationMember[]): JsonObject => ({
  members: members.map(({ account, role }) => ({ account, role })),
});

/** The ids of the accounts that own an organization or are its members. */
export const peopleOf = ({ owner, members }: Organization): readonly string[] => [owner, ...members.map(({ account }) => account)];

/** The role of an account in an organization; undefined if it is no member. */
export function roleIn(organization: Organization, account: string): OrganizationRole | undefined {
  if (organization.owner === account) return 'OWNER';
  return organization.members.find((member) => member.account === account)?.role;
}

const SUCCESSION: readonly MemberRole[] = ['ADMIN', 'MANAGER', 'EVALUATOR'];

/** The member who gets an organization whose owner is deleted: the first ADMIN, else MANAGER, else EVALUATOR. */
export const successor = ({ members }: Organization): OrganizationMember | undefined =>
  SUCCESSION.flatMap((role) => members.filter((member) => member.role === role))[0];

/**
 * `/organizations…`: user keys only; members and administrators may read an organization, its owner and its ADMIN members may change it.
 */
import type { FastifyInstance } from 'fastify';
import { got, type RestAnswer, type Result, refuse, refused } from '../protocol/answer.ts';
import { directoryPage, fieldsOf, paginated, textField, wordField } from '../protocol/fields.ts';
import { DEFAULT_OF, MAX_MEMBERS, type Organization, type OrganizationMember, roleIn, withMembers } from '../protocol/organization.ts';
import { KEY_SCOPES, MEMBER_ROLES, type OrganizationRole } from '../protocol/permissions.ts';
import type { Accounts } from '../store/accounts/accounts.ts';
import type { Caller } from '../store/accounts/identity.ts';
import type { Organizations } from '../store/accounts/organizations.ts';
import { type RestCall, serve } from './call.ts';

export interface OrganizationRoutesOptions {
  readonly organizations: Organizations;
  readonly accounts: Accounts;
}

type User = Extract<Caller, { kind: 'user' }>;
/** A caller's role in an organization; a SPACE ADMIN counts as its owner. */
type Standing = OrganizationRole;

const MANAGING: readonly Standing[] = ['OWNER', 'ADMIN', 'MANAGER'];
const KEY_PATTERN = /^org_[0-9a-f]{64}$/;

const standingOf =
  ({ role, account }: User) =>
  (organization: Organization): Standing | undefined =>
    role === 'ADMIN' ? 'OWNER' : roleIn(organization, account.id);

export function organizationRoutes(app: FastifyInstance, options: OrganizationRoutesOptions): void {
  const calls = callsOf(app, options);
  ownRoutes(calls);
  memberRoutes(calls);
  keyRoutes(calls);
}

/** Organizations themselves. */
function ownRoutes({ organizations, asUser, within, accountOf, shown }: OrganizationCalls): void {
  asUser('GET', '/organizations', async (user, { query }) => {
    if (user.role !== 'ADMIN') {
      const own = await organizations.of(user.account.id);
      const data = own.ok ? await organizations.shown(own.value, standingOf(user)) : own;
      return data.ok ? { status: 200, body: { data: data.value } } : data.answer;
    }
    const page = directoryPage(query);
    if (!page.ok) return page.answer;
    const listed = await organizations.list(typeof query.q === 'string' ? query.q : undefined, page.value);
    const data = listed.ok ? await organizations.shown(listed.value.organizations, standingOf(user)) : listed;
    if (!listed.ok) return listed.answer;
    if (!data.ok) return data.answer;
    return { status: 200, body: { data: data.value, pagination: paginated(page.value.offset, page.value.limit, listed.value.total) } };
  });

  asUser('POST', '/organizations', async (user, { body }) => {
    const fields = fieldsOf(body);
    const name = textField(fields, 'name', { required: true, min: 3, max: 255 });
    const owner = textField(fields, 'owner', { required: true, min: 1, max: 255 });
    if (!name.ok) return name.answer;
    if (!owner.ok) return owner.answer;
    if (fields.default !== undefined && typeof fields.default !== 'boolean')
      return refuse(422, 'The default field must be true or false').answer;
    const account = await accountOf(owner.value ?? '');
    if (!account.ok) return account.answer;
    if (account.value !== user.account.id && user.role !== 'ADMIN') {
      return refuse(403, 'PERMISSION ERROR: Only ADMIN users can create organizations for other users').answer;
    }
    return shown(user, 201, await organizations.create(name.value?.trim() ?? '', account.value, fields.default === true, user.account.id));
  });

  within('GET', '', [...MANAGING, 'EVALUATOR'], async ({ organization, user }) => shown(user, 200, got(organization)));

  within('PUT', '', ['OWNER'], async ({ organization, user }, { body }) => {
    const fields = fieldsOf(body);
    const name = textField(fields, 'name', { min: 3, max: 255 });
    const owner = textField(fields, 'owner', { min: 1, max: 255 });
    if (!name.ok) return name.answer;
    if (!owner.ok) return owner.answer;
    const { default: isDefault } = fields;
    if (isDefault !== undefined && typeof isDefault !== 'boolean') return refuse(422, 'The default field must be true or false').answer;
    const heir = owner.value === undefined ? got(undefined) : await accountOf(owner.value);
    if (!heir.ok) return heir.answer;
    return shown(
      user,
      200,
      await organizations.change(organization.id, 'organization-change', user.account.id, (now) => {
        const transfer = heir.value !== undefined && heir.value !== now.owner ? heir.value : undefined;
        if (transfer !== undefined && now.default) return refuse(409, 'CONFLICT: Cannot transfer ownership of a default organization');
        const nowDefault = isDefault ?? now.default;
        const newOwner = transfer ?? now.owner;
        const members = now.members.filter(({ account }) => account !== transfer);
        return got({
          ...(name.value === undefined ? {} : { name: name.value.trim() }),
          owner: newOwner,
          default: nowDefault,
          [DEFAULT_OF]: nowDefault ? newOwner : null,
          ...withMembers(transfer === undefined ? members : [...members, { account: now.owner, role: 'ADMIN' }]),
        });
      }),
    );
  });

  within('DELETE', '', ['OWNER'], async ({ organization, user }) => {
    if (organization.default) return refuse(409, 'CONFLICT: A default organization cannot be deleted').answer;
    const deleted = await organizations.delete(organization.id, user.account.id);
    return deleted.ok ? { status: 204 } : deleted.answer;
  });
}

function memberRoutes({ within, accountOf, changeMembers }: OrganizationCalls): void {
  within('POST', '/members', MANAGING, async ({ organization, user, standing }, { body }) => {
    const fields = fieldsOf(body);
    const username = textField(fields, 'username', { required: true, min: 1, max: 255 });
    const role = wordField(fields, 'role', MEMBER_ROLES);
    if (!username.ok) return username.answer;
    if (!role.ok) return role.answer;
    const { value: wanted } = role;
    if (wanted === undefined) return refuse(422, 'The role field is required').answer;
    if (standing === 'MANAGER' && wanted === 'ADMIN')
      return refuse(403, 'PERMISSION ERROR: A MANAGER does not have permission to add an ADMIN').answer;
    const account = await accountOf(username.value ?? '');
    if (!account.ok) return account.answer;
    return changeMembers(organization, user, (members, { owner }) => {
      if (account.value === owner || members.some((member) => member.account === account.value))
        return refuse(409, 'CONFLICT: The user is already a member of the organization');
      if (members.length >= MAX_MEMBERS) return refuse(400, `INVALID DATA: An organization has at most ${MAX_MEMBERS} members`);
      return got([...members, { account: account.value, role: wanted }]);
    });
  });

  within('PUT', '/members/:username', MANAGING, async ({ organization, user, standing }, { params, body }) => {
    const role = wordField(fieldsOf(body), 'role', MEMBER_ROLES);
    if (!role.ok) return role.answer;
    const { value: wanted } = role;
    if (wanted === undefined) return refuse(422, 'The role field is required').answer;
    const account = await accountOf(params.username ?? '');
    if (!account.ok) return account.answer;
    return changeMembers(organization, user, (members) => {
      const member = members.find((one) => one.account === account.value);
      if (member === undefined) return refuse(400, 'INVALID DATA: The user is not a member of the organization');
      if (standing === 'MANAGER' && (wanted === 'ADMIN' || member.role === 'ADMIN'))
        return refuse(403, 'PERMISSION ERROR: A MANAGER does not have permission to change an ADMIN');
      if (member.role === wanted) return refuse(409, `CONFLICT: The user already has the role ${wanted}`);
      return got(members.map((one) => (one.account === account.value ? { ...one, role: wanted } : one)));
    });
  });

  within('DELETE', '/members/:username', [...MANAGING, 'EVALUATOR'], async ({ organization, user, standing }, { params }) => {
    const account = await accountOf(params.username ?? '');
    if (!account.ok) return account.answer;
    const oneself = account.value === user.account.id;
    if (!oneself && !MANAGING.includes(standing))
      return refuse(403, 'PERMISSION ERROR: Your role does not have permission to remove members').answer;
    return changeMembers(organization, user, (members) => {
      const member = members.find((one) => one.account === account.value);
      if (member === undefined) return refuse(400, 'INVALID DATA: The user is not a member of the organization');
      if (!oneself && standing === 'MANAGER' && member.role === 'ADMIN')
        return refuse(403, 'PERMISSION ERROR: A MANAGER does not have permission to remove an ADMIN');
      return got(members.filter((one) => one !== member));
    });
  });
}

function keyRoutes({ organizations, within, shown }: OrganizationCalls): void {
  within('POST', '/api-keys', MANAGING, async ({ organization, user, standing }, { body }) => {
    const fields = fieldsOf(body);
    const scope = wordField(fields, 'scope', KEY_SCOPES, 400);
    if (!scope.ok) return scope.answer;
    if (scope.value === undefined) return refuse(400, 'INVALID DATA: The scope field is required').answer;
    if (scope.value === 'ALL' && standing === 'MANAGER')
      return refuse(403, 'PERMISSION ERROR: A MANAGER does not have permission to create keys of scope ALL').answer;
    const { key } = fields;
    if (key !== undefined && user.role !== 'ADMIN') return refuse(403, 'PERMISSION ERROR: Only ADMIN users can choose a key').answer;
    if (key !== undefined && (typeof key !== 'string' || !KEY_PATTERN.test(key)))
      return refuse(400, 'INVALID DATA: A key is "org_" and 64 hexadecimal digits').answer;
    const added = await (typeof key === 'string'
      ? organizations.addKey(organization.id, scope.value, 'add', key)
      : organizations.addKey(organization.id, scope.value, 'add'));
    return added.ok ? shown(user, 200, got(organization)) : added.answer;
  });

  within('DELETE', '/api-keys/:key', MANAGING, async ({ organization, user, standing }, { params }) => {
    const keys = await organizations.keys([organization.id]);
    if (!keys.ok) return keys.answer;
    const found = keys.value.find(({ key }) => key === params.key);
    if (found === undefined) return refuse(400, 'INVALID DATA: API Key not found in the organization').answer;
    if (found.scope === 'ALL' && standing === 'MANAGER')
      return refuse(403, 'PERMISSION ERROR: A MANAGER does not have permission to delete keys of scope ALL').answer;
    const removed = await organizations.removeKey(organization.id, found.key);
    return removed.ok ? shown(user, 200, got(organization)) : removed.answer;
  });
}

type OrganizationCalls = ReturnType<typeof callsOf>;

/** Serves calls of users, and calls within an organization in which the user has one of the allowed roles. */
function callsOf(app: FastifyInstance, { organizations, accounts }: OrganizationRoutesOptions) {
  return { organizations, asUser, within, changeMembers, accountOf, shown };

  function asUser(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    handle: (user: User, call: RestCall) => Promise<RestAnswer>,
  ): void {
    serve(app, method, path, async (call) =>
      call.caller?.kind === 'user' ? handle(call.caller, call) : refuse(403, 'This operation requires a user API key').answer,
    );
  }

  function within(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    allowed: readonly Standing[],
    handle: (
      inside: { readonly organization: Organization; readonly user: User; readonly standing: Standing },
      call: RestCall,
    ) => Promise<RestAnswer>,
  ): void {
    asUser(method, `/organizations/:organizationId${path}`, async (user, call) => {
      const found = await organizations.find(call.params.organizationId ?? '');
      if (!found.ok) return found.answer;
      const standing = standingOf(user)(found.value);
      if (standing === undefined) return refuse(403, 'PERMISSION ERROR: You are not a member of this organization').answer;
      if (!allowed.includes(standing))
        return refuse(403, `PERMISSION ERROR: Your role (${standing}) does not have permission to perform this operation`).answer;
      return handle({ organization: found.value, user, standing }, call);
    });
  }

  async function changeMembers(
    { id }: Organization,
    user: User,
    decide: (members: readonly OrganizationMember[], now: Organization) => Result<readonly OrganizationMember[]>,
  ): Promise<RestAnswer> {
    const changed = await organizations.change(id, 'organization-members', user.account.id, (now) => {
      const members = decide(now.members, now);
      return members.ok ? got(withMembers(members.value)) : members;
    });
    return shown(user, 200, changed);
  }

  async function accountOf(username: string): Promise<Result<string>> {
    const found = await accounts.byName(username);
    if (!found.ok) return refused(found.failure);
    return found.value === undefined ? refuse(400, `INVALID DATA: User ${username.slice(0, 255)} does not exist`) : got(found.value.id);
  }

  async function shown(user: User, status: number, organization: Result<Organization>): Promise<RestAnswer> {
    const data = organization.ok ? await organizations.shown([organization.value], standingOf(user)) : organization;
    return data.ok ? { status, body: data.value[0], headers: { 'cache-control': 'no-store' } } : data.answer;
  }
}

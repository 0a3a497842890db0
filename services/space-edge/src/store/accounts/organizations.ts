/** Organizations: their vertices and their keys. */
import type { Account, ApiKey } from '@polyedge/contracts/bus/accounts';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Filter } from '@polyedge/query/filter';
import { literalPattern } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import { isId } from '../../protocol/fields.ts';
import {
  DEFAULT_OF,
  newOrganization,
  ORGANIZATION_TYPE,
  type Organization,
  peopleOf,
  successor,
  toOrganization,
  withMembers,
} from '../../protocol/organization.ts';
import { type KeyScope, type OrganizationRole, SHOWN_KEYS } from '../../protocol/permissions.ts';
import type { Services } from '../catalogue/services.ts';
import type { Contracting } from '../contracts/contracting.ts';
import { type Graph, newId } from '../graph.ts';
import { type Accounts, newKey, userRole } from './accounts.ts';

const MAX_ATTEMPTS = 50;
/** Maximum organizations of one user in lists. */
const MAX_LISTED = 1000;

export interface OrganizationsOptions {
  readonly graph: Graph;
  readonly accounts: Accounts;
  readonly services: Services;
  readonly contracting: Contracting;
}

export class Organizations {
  readonly #graph: Graph;
  readonly #accounts: Accounts;
  readonly #services: Services;
  readonly #contracting: Contracting;

  constructor({ graph, accounts, services, contracting }: OrganizationsOptions) {
    this.#graph = graph;
    this.#accounts = accounts;
    this.#services = services;
    this.#contracting = contracting;
  }

  /** 422 for an invalid id, 404 for an unknown one. */
  async find(id: string): Promise<Result<Organization>> {
    if (!isId(id)) return refuse(422, 'Invalid organization id: it must have 24 characters');
    const found = await this.#graph.findOne({ all: [OF_TYPE, { test: 'equal', path: ['id'], value: id }] });
    if (!found.ok) return refused(found.failure);
    return found.value === undefined ? refuse(404, `NOT FOUND: Organization with id ${id} not found`) : got(toOrganization(found.value));
  }

  /** All, or those whose name contains `name`, by name. */
  async list(
    name: string | undefined,
    page: { readonly offset: number; readonly limit: number },
  ): Promise<Result<{ readonly organizations: readonly Organization[]; readonly total: number }>> {
    const all: Filter[] = [OF_TYPE];
    if (name !== undefined && name !== '')
      all.push({ test: 'text-like', path: ['attributes', 'name'], pattern: `*${literalPattern(name)}*`, fold: true });
    const found = await this.#graph.find({ all }, { ...page, count: true, sort: [{ path: ['attributes', 'name'], order: 'asc' }] });
    return found.ok ? got({ organizations: found.value.elements.map(toOrganization), total: found.value.count }) : refused(found.failure);
  }

  /** Those that an account owns or is a member of. */
  async of(account: string): Promise<Result<readonly Organization[]>> {
    const memberships: Filter[] = (['ADMIN', 'MANAGER', 'EVALUATOR'] as const).map((role) => ({
      test: 'contains',
      path: ['attributes', 'members'],
      value: { account, role },
    }));
    const any: Filter[] = [{ test: 'equal', path: ['attributes', 'owner'], value: account }, ...memberships];
    const found = await this.#graph.find({ all: [OF_TYPE, { any }] }, { limit: MAX_LISTED });
    return found.ok ? got(found.value.elements.map(toOrganization)) : refused(found.failure);
  }

  /** Creates an organization with a key of scope ALL. 409 for a second default one of the same owner. */
  async create(name: string, owner: string, isDefault: boolean, by: string): Promise<Result<Organization>> {
    const id = newId();
    const create: Operation = {
      op: 'create',
      type: ORGANIZATION_TYPE,
      id,
      attributes: newOrganization(name, owner, isDefault),
      unique: [DEFAULT_OF],
    };
    const written = await this.#graph.write('organization-create', by, [create]);
    if (!written.ok) {
      return written.failure.code === 'conflict'
        ? refuse(409, 'CONFLICT: The user already has a default organization')
        : refused(written.failure);
    }
    const element = written.value.operations[0]?.elements[0];
    if (element === undefined) return refuse(500, 'The service failed unexpectedly');
    const key = await this.addKey(id, 'ALL', 'if-none');
    return key.ok ? this.#withPeople(toOrganization(element), [owner], by) : key;
  }

  /** The user's default organization, created if missing, with at least one key. Idempotent, on any replica. */
  async ensureDefault({ id: account, username }: Account): Promise<Result<unknown>> {
    const filter: Filter = { all: [OF_TYPE, { test: 'equal', path: ['attributes', DEFAULT_OF], value: account }] };
    const found = await this.#graph.findOne(filter);
    if (!found.ok) return refused(found.failure);
    if (found.value !== undefined) return this.addKey(found.value.id, 'ALL', 'if-none');
    const made = await this.create(`${username}'s Organization`, account, true, account);
    // Another replica has created it first.
    return made.ok || made.answer.status !== 409 ? made : got(undefined);
  }

  /** Reads, decides and writes; `decide` returns the attributes to set, or a refusal. Repeats if the organization changed in between. */
  async change(
    id: string,
    operation: string,
    by: string,
    decide: (organization: Organization) => Result<JsonObject>,
  ): Promise<Result<Organization>> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const read = await this.find(id);
      if (!read.ok) return read;
      const decided = decide(read.value);
      if (!decided.ok) return decided;
      const written = await this.#graph.write(operation, by, [
        {
          op: 'update',
          target: { id, where: OF_TYPE },
          version: read.value.elementVersion,
          set: decided.value,
          expect: 1,
          unique: [DEFAULT_OF],
        },
      ]);
      if (written.ok) {
        const element = written.value.operations[0]?.elements[0];
        if (element === undefined) return refuse(404, `NOT FOUND: Organization with id ${id} not found`);
        const changed = toOrganization(element);
        const known = peopleOf(read.value);
        return this.#withPeople(
          changed,
          peopleOf(changed).filter((account) => !known.includes(account)),
          by,
        );
      }
      if (written.failure.code !== 'conflict') return refused(written.failure);
    }
    return refuse(
      409,
      'CONFLICT: the organization could not be changed: its owner has a default organization already, or too many others change it',
    );
  }

  /** Deletes an organization with its keys, contracts, services and pricings. */
  async delete(id: string, by: string): Promise<Result<unknown>> {
    const keys = await this.#accounts.removeKeys({ kind: 'organization', id });
    if (!keys.ok) return refused(keys.failure);
    const emptied = await this.#empty(id, by);
    if (!emptied.ok) return emptied;
    const written = await this.#graph.write('organization-delete', by, [
      { op: 'delete', target: { where: { all: [OF_TYPE, { test: 'equal', path: ['id'], value: id }] } } },
    ]);
    // What was made meanwhile.
    return written.ok ? this.#empty(id, by) : refused(written.failure);
  }

  /**
   * Services first: a contract needs its services, and a service its organization, so what is emptied after the organization was deleted stays
   * empty. A contract that is left would keep its user from having another one.
   */
  async #empty(id: string, by: string): Promise<Result<unknown>> {
    const services = await this.#services.prune(id, by);
    return services.ok ? this.#contracting.prune({ organizationId: id, by }) : services;
  }

  /** Before an account is deleted: its organizations go to their successors or are deleted, and its memberships end. */
  async letGo(account: string, by: string): Promise<Result<unknown>> {
    const concerned = await this.of(account);
    if (!concerned.ok) return concerned;
    for (const { id } of concerned.value) {
      const left = await this.change(id, 'organization-leave', by, (organization) => without(organization, account));
      const result = left === NOBODY_LEFT ? await this.delete(id, by) : left;
      if (!result.ok && result.answer.status !== 404) return result;
    }
    return got(undefined);
  }

  /**
   * An account may be deleted while it joins. Its deletion looks for organizations before and after it: of the two, one sees the other.
   * @param joined the accounts that have just become owner or members
   */
  async #withPeople(organization: Organization, joined: readonly string[], by: string): Promise<Result<Organization>> {
    const accounts = await this.#accounts.byIds(joined);
    if (!accounts.ok) return refused(accounts.failure);
    const gone = joined.filter((id) => {
      const account = accounts.value.get(id);
      return account === undefined || userRole(account) === undefined;
    });
    for (const account of gone) {
      const left = await this.letGo(account, by);
      if (!left.ok) return left;
    }
    return gone.length === 0 ? got(organization) : refuse(400, 'INVALID DATA: The user does not exist any more');
  }

  async addKey(id: string, scope: KeyScope, mode: 'add' | 'if-none', key = newKey('org')): Promise<Result<ApiKey>> {
    const added = await this.#accounts.addKey({ key, owner: { kind: 'organization', id }, scope }, mode);
    if (added.ok) return got(added.value);
    return added.failure.code === 'conflict' ? refuse(409, 'CONFLICT: This API key exists already') : refused(added.failure);
  }

  async removeKey(id: string, key: string): Promise<Result<number>> {
    const removed = await this.#accounts.removeKeys({ kind: 'organization', id }, key);
    return removed.ok ? got(removed.value) : refused(removed.failure);
  }

  async keys(ids: readonly string[]): Promise<Result<readonly ApiKey[]>> {
    const listed = await this.#accounts.keys('organization', ids);
    return listed.ok ? got(listed.value) : refused(listed.failure);
  }

  /**
   * Organizations in SPACE's form: user names instead of ids, and the keys in clear.
   * @param standing the caller's role in an organization, which determines the keys that are shown
   */
  async shown(
    organizations: readonly Organization[],
    standing: (organization: Organization) => OrganizationRole | undefined,
  ): Promise<Result<Record<string, unknown>[]>> {
    const people = new Set(organizations.flatMap(peopleOf));
    const accounts = await this.#accounts.byIds([...people]);
    if (!accounts.ok) return refused(accounts.failure);
    const keys = await this.keys(organizations.map(({ id }) => id));
    if (!keys.ok) return keys;
    const nameOf = (account: string): string | undefined => accounts.value.get(account)?.username;
    return got(
      organizations.map((organization) => {
        const { id, name, owner, members, default: isDefault } = organization;
        const role = standing(organization);
        const scopes: readonly string[] = role === undefined ? [] : SHOWN_KEYS[role];
        return {
          id,
          name,
          owner: nameOf(owner) ?? '',
          default: isDefault,
          apiKeys: keys.value.flatMap(({ key, scope, owner: { id: of } }) => (of === id && scopes.includes(scope) ? [{ key, scope }] : [])),
          members: members.flatMap(({ account, role }) => {
            const username = nameOf(account);
            return username === undefined ? [] : [{ username, role }];
          }),
          ownerDetails: { username: nameOf(owner) ?? '' },
        };
      }),
    );
  }
}

const NOBODY_LEFT: Result<never> = refuse(409, 'CONFLICT: nobody else belongs to the organization');

/** What an organization is without an account, which may be its owner; `NOBODY_LEFT` if there is no other. */
function without(organization: Organization, account: string): Result<JsonObject> {
  const heir = organization.owner === account ? successor(organization) : undefined;
  if (organization.owner === account && heir === undefined) return NOBODY_LEFT;
  const members = organization.members.filter((member) => member.account !== account && member.account !== heir?.account);
  // An heir may have a default organization of its own already.
  return got({ ...withMembers(members), ...(heir === undefined ? {} : { owner: heir.account, default: false, [DEFAULT_OF]: null }) });
}

const OF_TYPE: Filter = { test: 'equal', path: ['type'], value: ORGANIZATION_TYPE };

/**
 * Accounts as vertices of HIRO's own type, under the accounts' ids. Accounts are stored in the system tenant, apart from the data of all
 * organizations; a read or an end of an edge with `accounts` finds those of its organization here, and nothing can write them this way.
 * If another protocol has an element under an account's id (Saga's users), such a read finds the account.
 */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import type { SqlParameters } from './sql-parameters.ts';

/** The type of stored accounts. */
export const ACCOUNT_TYPE = 'polyedge/Account';
/** The type of accounts as shown to HIRO. */
export const ACCOUNT_VERTEX = 'ogit/Auth/Account';
/** Elements of this type have the ids of accounts. */
const SHADOWED_TYPE = 'saga/User';

/** An account of the organization `tenant` as a vertex. It belongs to its own default scope, and to itself. */
export function accountVertex({ attributes: stored, ...account }: Element): Element {
  return {
    ...account,
    tenant: textOf(stored.tenant),
    type: ACCOUNT_VERTEX,
    scope: textOf(stored.defaultScope),
    attributes: { ...shownOf(stored.attributes), 'ogit/name': textOf(stored.username), 'ogit/_owner': account.id },
  };
}

/** Converts a change of an account to a change of its vertex. */
export function accountChange(change: FullChange): FullChange {
  const state = accountVertex(change.state);
  const was = stateBefore(change.state, change.undo);
  const before = was === undefined ? undefined : accountVertex(was);
  const undo =
    before === undefined
      ? change.undo
      : {
          ...change.undo,
          set: before.attributes,
          unset: Object.keys(state.attributes).filter((name) => !Object.hasOwn(before.attributes, name)),
          ...(before.scope === state.scope ? {} : { scope: before.scope }),
        };
  return { ...change, tenant: state.tenant, type: state.type, scope: state.scope, state, undo };
}

/** The attributes with HIRO's names: texts in its namespaces. Accounts also have attributes of other protocols. */
function shownOf(attributes: Json | undefined): JsonObject {
  if (attributes === undefined || !isObject(attributes)) return {};
  const names = Object.entries(attributes).filter(([name, value]) => typeof value === 'string' && /^(?:ogit\/[^_]|\/)/.test(name));
  return Object.fromEntries(names);
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

/** Whether a filter may match an account, or an element hidden by one. If not, the table is queried directly. */
export function mayBeAccount(filter: Filter): boolean {
  if ('all' in filter) return filter.all.every(mayBeAccount);
  if ('any' in filter) return filter.any.some(mayBeAccount);
  if ('not' in filter || filter.path.length > 1) return true;
  const values =
    filter.test === 'equal' || filter.test === 'text-equal' ? [filter.value] : filter.test === 'in' ? filter.values : undefined;
  if (values === undefined) return true;
  switch (filter.path[0]) {
    case 'type':
      return values.includes(ACCOUNT_VERTEX) || values.includes(SHADOWED_TYPE);
    case 'kind':
      return values.includes('vertex');
    default:
      return true;
  }
}

/** Columns with the same names and types as in `element`, so that filters and orders apply to accounts as well. */
const SHOWN = `(select coalesce(jsonb_object_agg(a.key, a.value), '{}') from jsonb_each(case jsonb_typeof(attributes -> 'attributes')
    when 'object' then attributes -> 'attributes' else '{}'::jsonb end) a
    where jsonb_typeof(a.value) = 'string' and a.key ~ '^(ogit/[^_]|/)')
  || jsonb_build_object('ogit/name', attributes ->> 'username', 'ogit/_owner', id)`;

/** Replaces the table `element` in a query: the elements of a tenant, with its accounts instead of elements under the same ids. */
export function withAccounts(tenant: string, columns: string, parameters: SqlParameters): string {
  const [elements, accounts, shown] = [parameters.text(tenant), parameters.text(tenant), parameters.text(tenant)];
  const projected: Readonly<Record<string, string>> = {
    type: `'${ACCOUNT_VERTEX}'::text collate "C" as type`,
    scope: `(attributes ->> 'defaultScope') collate "C" as scope`,
    attributes: `${SHOWN} as attributes`,
  };
  const names = columns.split(',').map((name) => name.trim());
  return `(select tenant, ${columns} from element where tenant = ${elements} and not (type = '${SHADOWED_TYPE}'
      and exists (select from element a where a.tenant = 'system' and a.id = element.id and a.type = '${ACCOUNT_TYPE}'))
    union all select (${shown}) collate "C" as tenant, ${names.map((name) => projected[name] ?? name).join(', ')} from element
      where tenant = 'system' and type = '${ACCOUNT_TYPE}' and attributes ->> 'tenant' = ${accounts}) element`;
}

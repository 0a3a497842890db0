/** Roles and their permissions in both of Saga's syntaxes (Saga protocol page, 1.5). */

export type Action = 'get' | 'post' | 'put' | 'delete';

/**
 * As stored and shown. `action` is `get|post|put|delete|read|write|*`; `filter` belongs to model permissions, which are stored but not
 * enforced.
 */
export interface Permission {
  readonly path: string;
  readonly action: string;
  readonly allow: boolean;
  readonly filter?: unknown;
}

export type Scope = 'anonymous' | 'user-default' | 'normal';

export interface Role {
  readonly _id: string;
  readonly title: string;
  readonly scope: Scope;
  readonly permissions: readonly Permission[];
  /** Earlier titles, newest last: accounts hold roles by title, and keep them when one is renamed. Not shown. */
  readonly former?: readonly string[];
}

const ROUTES = '/routes';
const MODELS = '/models/';
const MAX_PATH = 512;
const ACTIONS: readonly string[] = ['get', 'post', 'put', 'delete', '*', 'read', 'write'];

/** The initial roles of a tenant. */
export const SEED_ROLES: readonly Role[] = [
  {
    _id: '000000000000000000000001',
    title: 'Anonymous User',
    scope: 'anonymous',
    permissions: ['/users/login', '/users/register', '/users/*/refresh_token', '/users/logout'].map((path) => ({
      path,
      action: 'post',
      allow: true,
    })),
  },
  {
    _id: '000000000000000000000002',
    title: 'User',
    scope: 'user-default',
    permissions: [
      { path: '/bots/', action: 'get', allow: true },
      { path: '/globals/properties', action: 'get', allow: true },
    ],
  },
  {
    _id: '000000000000000000000003',
    title: 'Admin',
    scope: 'normal',
    permissions: [{ path: '/', action: '*', allow: true }],
  },
];

/** A request to check; `self` is the account's id, below whose own path the built-in rule allows everything except deleting. */
export interface PermissionRequest {
  readonly path: string;
  readonly action: Action;
  readonly self?: string | undefined;
}

/** A deny overrides any allow; the default is to deny. */
export function allows(permissions: Iterable<Permission>, { path, action, self }: PermissionRequest): boolean {
  const segments = segmentsOf(path);
  let allowed = self !== undefined && segments[0] === 'users' && segments[1] === self && isOwn(action, segments.slice(2));
  for (const permission of permissions) {
    if (!actionMatches(permission, action) || !pathMatches(permission, segments)) continue;
    if (!permission.allow) return false;
    allowed = true;
  }
  return allowed;
}

/** The rights of every user below the own path: everything except assigning roles and deleting; a reset of properties is no deletion. */
const isOwn = (action: Action, below: readonly string[]): boolean =>
  action === 'delete' ? below.length === 1 && below[0] === 'properties' : below[0] !== 'roles';

/** Whether a role has this id or title, or had this title. */
export const isNamed = ({ _id, title, former }: Role, name: string): boolean =>
  _id === name || title === name || former?.includes(name) === true;

/** The permissions of roles, given by their names. */
export function permissionsOf(roles: readonly Role[], names: readonly string[]): Permission[] {
  return roles.filter((role) => names.some((name) => isNamed(role, name))).flatMap(({ permissions }) => permissions);
}

/** The problem of a permission from a client, or undefined. */
export function problemOfPermission(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'is not an object';
  const { path, action, allow } = value as Partial<Record<string, unknown>>;
  if (typeof path !== 'string' || !path.startsWith('/') || path.length > MAX_PATH) return 'has a path that is not one';
  if (typeof action !== 'string' || !ACTIONS.includes(action)) return 'has an unknown action';
  return allow === undefined || typeof allow === 'boolean' ? undefined : 'has an allow that is not true or false';
}

const segmentsOf = (path: string): string[] => path.split('/').filter((segment) => segment !== '');

function actionMatches({ action }: Permission, asked: Action): boolean {
  switch (action) {
    case '*':
      return true;
    // One example of the newer documentation uses these on a route.
    case 'read':
      return asked === 'get';
    case 'write':
      return asked === 'post' || asked === 'put';
    default:
      return action === asked;
  }
}

function pathMatches({ path, allow }: Permission, asked: readonly string[]): boolean {
  if (path.startsWith(MODELS)) return false;
  const modern = path === ROUTES || path.startsWith(`${ROUTES}/`);
  const route = modern ? path.slice(ROUTES.length) : path;
  const wanted = segmentsOf(route);
  // `/*` at the end: the parent and everything deeper. The older syntax has it only as the whole path.
  if (wanted.at(-1) === '*' && (modern || wanted.length === 1)) return prefixMatches(wanted.slice(0, -1), asked);
  if (!prefixMatches(wanted, asked)) return false;
  if (wanted.length === asked.length) return true;
  // The older syntax: a slash at the end allows everything below; a deny always covers what is below.
  return !modern && (route.endsWith('/') || !allow);
}

const prefixMatches = (wanted: readonly string[], asked: readonly string[]): boolean =>
  wanted.length <= asked.length && wanted.every((segment, at) => segment === '*' || segment === asked[at]);

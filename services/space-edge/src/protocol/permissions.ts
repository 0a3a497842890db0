/**
 * The permissions of callers: default-deny, and the first matching rule decides (SPACE 1.2, AuthMiddleware and permissions). `*` is one
 * segment of the path, `**` any rest. Paths are those below `/api/v1`.
 */

export const KEY_SCOPES = ['ALL', 'MANAGEMENT', 'EVALUATION'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];
export const USER_ROLES = ['ADMIN', 'USER'] as const;
export type UserRole = (typeof USER_ROLES)[number];
export const MEMBER_ROLES = ['ADMIN', 'MANAGER', 'EVALUATOR'] as const;
export type MemberRole = (typeof MEMBER_ROLES)[number];
export type OrganizationRole = 'OWNER' | MemberRole;

export interface Rule {
  readonly methods: string;
  readonly path: string;
  readonly public?: boolean;
  readonly users?: readonly UserRole[];
  readonly scopes?: readonly KeyScope[];
  /**
   * Replaces `scopes` in strict mode, which follows SPACE's own table: it denies keys of scope EVALUATION what its documentation allows.
   */
  readonly strictScopes?: readonly KeyScope[];
}

const EVERY_USER = USER_ROLES;
const READ: readonly KeyScope[] = KEY_SCOPES;
const WRITE: readonly KeyScope[] = ['ALL', 'MANAGEMENT'];
const DELETE: readonly KeyScope[] = ['ALL'];

export const RULES: readonly Rule[] = [
  { methods: 'GET', path: '/healthcheck', public: true },
  { methods: 'GET POST', path: '/events/**', public: true },
  { methods: 'POST', path: '/users/authenticate', public: true },
  { methods: 'POST', path: '/users', public: true },
  { methods: 'GET PUT DELETE', path: '/users/**', users: EVERY_USER },
  { methods: 'GET', path: '/users', users: EVERY_USER },
  { methods: 'GET POST', path: '/organizations', users: EVERY_USER },
  { methods: 'GET POST PUT DELETE', path: '/organizations/*/contracts', users: EVERY_USER, scopes: [] },
  { methods: 'GET PUT DELETE', path: '/organizations/*/contracts/*', users: EVERY_USER, scopes: [] },
  { methods: 'GET POST PUT DELETE', path: '/organizations/**', users: EVERY_USER },
  { methods: 'GET', path: '/services', users: ['ADMIN'], scopes: READ },
  { methods: 'DELETE', path: '/services', users: ['ADMIN'], scopes: DELETE },
  { methods: 'POST', path: '/services', scopes: WRITE },
  { methods: 'GET', path: '/services/**', scopes: READ },
  { methods: 'POST PUT', path: '/services/**', scopes: WRITE },
  { methods: 'DELETE', path: '/services/**', scopes: DELETE },
  { methods: 'GET POST PUT', path: '/contracts', users: ['ADMIN'], scopes: WRITE },
  { methods: 'DELETE', path: '/contracts', users: ['ADMIN'], scopes: DELETE },
  { methods: 'GET PUT', path: '/contracts/**', users: ['ADMIN'], scopes: WRITE },
  { methods: 'DELETE', path: '/contracts/**', users: ['ADMIN'], scopes: DELETE },
  { methods: 'GET', path: '/features', scopes: READ },
  { methods: 'POST', path: '/features/evaluate', scopes: READ },
  { methods: 'POST', path: '/features/**', scopes: READ, strictScopes: WRITE },
  { methods: 'PUT PATCH DELETE', path: '/features', scopes: WRITE },
  { methods: 'PUT PATCH DELETE', path: '/features/**', scopes: WRITE },
  { methods: 'GET', path: '/analytics/**', users: EVERY_USER, scopes: READ },
  { methods: 'GET POST', path: '/cache/**', users: ['ADMIN'] },
];

/** The kind of a caller, as the table distinguishes it. */
export type CallerKind = { readonly kind: 'user'; readonly role: UserRole } | { readonly kind: 'organization'; readonly scope: KeyScope };

export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly status: 401 | 403; readonly error: string };

const ALLOWED: Verdict = { allowed: true };
const denied = (status: 401 | 403, error: string): Verdict => ({ allowed: false, status, error });

/**
 * Decides about a call by the table.
 * @param caller undefined without a key
 * @param strict whether scopes are as narrow as in SPACE's code
 */
export function judge(method: string, path: string, caller: CallerKind | undefined, strict = false): Verdict {
  return judgeBy(ruleOf(method, path), { method, path }, caller, strict);
}

/** The same, with the rule already found. */
export function judgeBy(
  rule: Rule | undefined,
  { method, path }: { readonly method: string; readonly path: string },
  caller: CallerKind | undefined,
  strict = false,
): Verdict {
  if (rule === undefined) return denied(403, `No permission rule allows ${method} ${shortened(path)}`);
  if (rule.public === true) return ALLOWED;
  if (caller === undefined) return denied(401, 'API Key not found. Please ensure to add an API Key as value of the "x-api-key" header.');
  if (caller.kind === 'user') {
    if (rule.users?.includes(caller.role) === true) return ALLOWED;
    const hint = rule.scopes === undefined ? '' : '; use an organization API key, or the same path below /organizations/{organizationId}';
    return denied(403, `Your user role (${caller.role}) does not have permission to perform this operation${hint}`);
  }
  const scopes = strict ? (rule.strictScopes ?? rule.scopes) : rule.scopes;
  if (scopes === undefined) return denied(403, 'This operation requires a user API key');
  if (scopes.includes(caller.scope)) return ALLOWED;
  return denied(403, `Your API key scope (${caller.scope}) does not have permission to perform this operation`);
}

/** The rules by method, with parsed patterns. */
const BY_METHOD: ReadonlyMap<string, readonly { readonly rule: Rule; readonly parts: readonly string[] }[]> = new Map(
  [...new Set(RULES.flatMap(({ methods }) => methods.split(' ')))].map((method) => [
    method,
    RULES.filter(({ methods }) => methods.split(' ').includes(method)).map((rule) => ({ rule, parts: rule.path.split('/') })),
  ]),
);

/** The rule that decides about a call; undefined if none allows it. */
export function ruleOf(method: string, path: string): Rule | undefined {
  const given = segmentsOf(path);
  return BY_METHOD.get(method)?.find(({ parts }) => fits(parts, given))?.rule;
}

/** Whether a path matches a pattern. An empty last segment (a trailing slash) is ignored. */
export const matches = (pattern: string, path: string): boolean => fits(pattern.split('/'), segmentsOf(path));

const segmentsOf = (path: string): readonly string[] => (path.endsWith('/') ? path.slice(0, -1) : path).split('/');

function fits(wanted: readonly string[], given: readonly string[]): boolean {
  for (const [at, part] of wanted.entries()) {
    if (part === '**') return given.length > at && given.slice(at).every((segment) => segment !== '');
    if (at >= given.length || given[at] === '' ? part !== given[at] : part !== '*' && part !== given[at]) return false;
  }
  return given.length === wanted.length;
}

const shortened = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}…` : path);

// ---- inside an organization -----------------------------------------------------------------------------------------------------------

/** The roles that may use an organization's services, by operation; a SPACE ADMIN always may. */
export const SERVICE_ROLES = {
  read: ['OWNER', 'ADMIN', 'MANAGER', 'EVALUATOR'],
  write: ['OWNER', 'ADMIN', 'MANAGER'],
  delete: ['OWNER', 'ADMIN'],
} as const satisfies Readonly<Record<string, readonly OrganizationRole[]>>;

/** The keys that a member sees: none with more rights than the member's own. */
export const SHOWN_KEYS = {
  OWNER: KEY_SCOPES,
  ADMIN: KEY_SCOPES,
  MANAGER: ['MANAGEMENT', 'EVALUATION'],
  EVALUATOR: ['EVALUATION'],
} as const satisfies Readonly<Record<OrganizationRole, readonly KeyScope[]>>;

export type ServiceRight = keyof typeof SERVICE_ROLES;

export const rightOf = (method: string): ServiceRight => (method === 'GET' ? 'read' : method === 'DELETE' ? 'delete' : 'write');

/** Roles over REST (Saga protocol page, 1.5 and 6.2). */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { isObject } from '@polyedge/saga/elements';
import { type SagaError, sagaError, unprocessable } from '@polyedge/saga/errors';
import { problemOfPermission, type Role } from '../protocol/permissions.ts';
import { permissionIn, type RoleCache, scopeOf } from '../roles.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Routes } from './server.ts';

const MAX_PERMISSIONS = 200;
const NO_ROLE = sagaError(404, 'Role does not exist');

export function roleRoutes(routes: Routes, roles: RoleCache): void {
  routes.add('GET', '/roles', async ({ who }) => ok(roles.of(who.tenant)));
  routes.add('POST', '/roles', async ({ who, body, caller }) => {
    const parsed = roleIn(body, { _id: caller.newId(), title: '', scope: 'normal', permissions: [] });
    if (!parsed.ok) return refused(parsed.error);
    const { role } = parsed;
    if (roles.of(who.tenant).some(({ title }) => title === role.title)) return refused(unprocessable('title', 'is taken'));
    return answer(await roles.write(who, (all) => done([...all, role])), role);
  });
  routes.add('PUT', '/roles/:id', async ({ who, body, params }) => {
    const before = roles.of(who.tenant).find(({ _id }) => _id === params.id);
    if (before === undefined) return refused(NO_ROLE);
    const parsed = roleIn(body, before);
    if (!parsed.ok) return refused(parsed.error);
    const { role } = parsed;
    return answer(await roles.write(who, (all) => done(all.map((one) => (one._id === role._id ? role : one)))), role);
  });
  routes.add('DELETE', '/roles/:id', async ({ who, params }) =>
    answer(
      await roles.write(who, (all) =>
        all.some(({ _id }) => _id === params.id) ? done(all.filter(({ _id }) => _id !== params.id)) : failed('not-found'),
      ),
      { ok: 1 },
    ),
  );
}

function answer(written: Outcome<void>, body: unknown): Reply {
  if (written.ok) return ok(body);
  return written.failure.code === 'not-found' ? refused(NO_ROLE) : failure(written.failure);
}

/** A role with the changes in a body. */
function roleIn(
  body: unknown,
  before: Role,
): { readonly ok: true; readonly role: Role } | { readonly ok: false; readonly error: SagaError } {
  if (!isObject(body)) return { ok: false, error: sagaError(400, 'the body is not an object') };
  const bad = (field: string, problem: string) => ({ ok: false, error: unprocessable(field, problem) }) as const;
  const { title = before.title, scope = before.scope, permissions = before.permissions } = body;
  if (typeof title !== 'string' || title === '' || title.length > 128) return bad('title', 'is missing');
  const known = scopeOf(scope);
  if (known === undefined) return bad('scope', 'is anonymous, user-default or normal');
  if (!Array.isArray(permissions) || permissions.length > MAX_PERMISSIONS) return bad('permissions', 'is not a list');
  for (const permission of permissions) {
    const problem = problemOfPermission(permission);
    if (problem !== undefined) return bad('permissions', `has an entry that ${problem}`);
  }
  return { ok: true, role: { _id: before._id, title, scope: known, permissions: permissions.flatMap(permissionIn) } };
}

/** Roles over REST (Saga protocol page, 1.5 and 6.2). */
import { done, failed } from '@polyedge/contracts/errors';
import { isObject } from '@polyedge/saga/elements';
import { type SagaError, sagaError, unprocessable } from '@polyedge/saga/errors';
import { isNamed, problemOfPermission, type Role } from '../protocol/permissions.ts';
import { permissionIn, type RoleCache, scopeOf } from '../roles.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Routes } from './server.ts';

const MAX_PERMISSIONS = 200;
/** Earlier titles of a role by which accounts may still hold it. */
const MAX_FORMER = 100;
const NO_ROLE = sagaError(404, 'Role does not exist');
const TITLE_TAKEN = refused(unprocessable('title', 'is taken'));

export function roleRoutes(routes: Routes, roles: RoleCache): void {
  routes.add('GET', '/roles', async ({ who }) => ok(roles.of(who.tenant).map(shown)));
  routes.add('POST', '/roles', async ({ who, body, caller }) => {
    const parsed = roleIn(body, { _id: caller.newId(), title: '', scope: 'normal', permissions: [] });
    if (!parsed.ok) return refused(parsed.error);
    const { role } = parsed;
    let isFree = true;
    const written = await roles.write(who, (all) => {
      isFree = !isTaken(all, role);
      return isFree ? done([...all, role]) : failed('invalid');
    });
    if (written.ok) return ok(shown(role));
    return isFree ? failure(written.failure) : TITLE_TAKEN;
  });
  routes.add('PUT', '/roles/:id', async ({ who, body, params }) => {
    let answered: Reply = refused(NO_ROLE);
    // From its current state, because others may change it at the same time.
    const written = await roles.write(who, (all) => {
      const before = all.find(({ _id }) => _id === params.id);
      if (before === undefined) return failed('not-found');
      const parsed = roleIn(body, before);
      if (!parsed.ok) {
        answered = refused(parsed.error);
        return failed('invalid');
      }
      const role = renamed(parsed.role, before);
      answered = isTaken(all, role) ? TITLE_TAKEN : ok(shown(role));
      return answered.ok ? done(all.map((one) => (one === before ? role : one))) : failed('invalid');
    });
    return written.ok || !answered.ok ? answered : failure(written.failure);
  });
  routes.add('DELETE', '/roles/:id', async ({ who, params }) => {
    const written = await roles.write(who, (all) =>
      all.some(({ _id }) => _id === params.id) ? done(all.filter(({ _id }) => _id !== params.id)) : failed('not-found'),
    );
    if (written.ok) return ok({ ok: 1 });
    return written.failure.code === 'not-found' ? refused(NO_ROLE) : failure(written.failure);
  });
}

const shown = ({ former: _, ...role }: Role): Omit<Role, 'former'> => role;

/** Whether another role has or had the title of this one: accounts hold roles by title. */
const isTaken = (all: readonly Role[], { _id, title }: Role): boolean => all.some((other) => other._id !== _id && isNamed(other, title));

/** The role with its title before the change among the former ones. */
function renamed({ former: _, ...role }: Role, before: Role): Role {
  const former = [...(before.former ?? []), before.title].filter((title) => title !== role.title).slice(-MAX_FORMER);
  return former.length === 0 ? role : { ...role, former };
}

type Parsed = { readonly ok: true; readonly role: Role } | { readonly ok: false; readonly error: SagaError };

/** A role with the changes in a body. */
function roleIn(body: unknown, before: Role): Parsed {
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

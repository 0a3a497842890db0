/** npm packages: requests that a runner carries out (Saga protocol page, 5.10 and 6.7). */
import { runnerPackages } from '@polyedge/contracts/bus/runner';
import type { Element } from '@polyedge/contracts/element';
import { attribute, both, equal, isObject, ofType, TYPES, toDocument } from '@polyedge/saga/elements';
import { sagaError, unprocessable } from '@polyedge/saga/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import { NO_RUNNER } from '../runners.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import { listOf, removeOne } from './schemas.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

const TIMEOUT_MS = 5000;
const INSTALLING_IS_OFF = 'installing packages is switched off';

export function npmRoutes(routes: Routes, store: Store, bus: Bus): void {
  const missing = refused(sagaError(404, 'Package does not exist'));
  routes.add('GET', '/npm_packages', (request) => listOf(store, request, TYPES.npmPackage));
  routes.add('GET', '/npm_packages/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.npmPackage);
    if (!found.ok) return failure(found.failure);
    return found.value === undefined ? missing : ok(toDocument(found.value));
  });
  // The runner receives the request through the journal, and writes the result to the same element. Without a runner that installs
  // packages, it fails at once.
  routes.add('POST', '/npm_packages', async (request) => {
    const name = packageName(request);
    if (name === undefined) return refused(unprocessable('package_name', 'is missing'));
    const asked = await installs(bus, request.who.tenant);
    if (!asked.ok) return refused(NO_RUNNER);
    const filter = both(ofType(TYPES.npmPackage), equal(attribute('package_name'), name));
    const known = await store.query(request.who.tenant, { filter, limit: 1 });
    if (!known.ok) return failure(known.failure);
    if (known.value.elements.length > 0) return refused(unprocessable('package_name', 'is taken'));
    const installed = asked.value.installs
      ? { error_message: null, failed_install_attempts: 0, wanted: 1 }
      : { error_message: INSTALLING_IS_OFF, failed_install_attempts: 1, wanted: 0 };
    const attributes = { package_name: name, name: null, package_json: null, tags: [], ...installed };
    const made = await store.write(request.who, 'package', [
      { op: 'create', type: TYPES.npmPackage, id: request.caller.newId(), attributes, unique: ['package_name'] },
    ]);
    return shown(made.ok ? made.value.operations[0]?.elements[0] : undefined, made);
  });
  routes.add('PUT', '/npm_packages/:id', async (request) => {
    const asked = await installs(bus, request.who.tenant);
    if (!asked.ok) return refused(NO_RUNNER);
    const name = packageName(request);
    const target = { id: request.params.id ?? '', where: ofType(TYPES.npmPackage) };
    const set = { error_message: asked.value.installs ? null : INSTALLING_IS_OFF, ...(name === undefined ? {} : { package_name: name }) };
    const written = await store.write(request.who, 'package', [
      { op: 'update', target, set },
      { op: 'apply', target, attribute: asked.value.installs ? 'wanted' : 'failed_install_attempts', operator: 'incr', value: 1 },
    ]);
    if (!written.ok && written.failure.code === 'not-found') return missing;
    return shown(written.ok ? written.value.operations[1]?.elements[0] : undefined, written);
  });
  routes.add('DELETE', '/npm_packages/:id', (request) => removeOne(store, request, TYPES.npmPackage, missing));
}

const installs = (bus: Bus, tenant: string) =>
  bus.request(runnerPackages, runnerPackages.subject({ tenant }), {}, { timeoutMs: TIMEOUT_MS });

function packageName({ body }: Request): string | undefined {
  const name = isObject(body) ? body.package_name : undefined;
  return typeof name === 'string' && name !== '' && name.length <= 512 ? name : undefined;
}

function shown(element: Element | undefined, written: Awaited<ReturnType<Store['write']>>): Reply {
  if (!written.ok)
    return written.failure.code === 'conflict' ? refused(unprocessable('package_name', 'is taken')) : failure(written.failure);
  return element === undefined ? refused(sagaError(500)) : ok(toDocument(element));
}

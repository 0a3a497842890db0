/** Installing packages from a registry of this machine: what is installed, and what is refused with a sentence. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { graphMutate, graphWriteChunk, type MutationOutcome, type Operation } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { JsonObject } from '@polyedge/query/json';
import { compile } from '@polyedge/query/predicate';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { bundle } from '../src/packages/bundle.ts';
import { Packages } from '../src/packages/packages.ts';
import { unpack } from '../src/packages/unpack.ts';
import { Writing } from '../src/writing.ts';
import { startRegistry } from './registry.ts';

const MARK = `/tmp/saga-runner-postinstall-${process.pid}`;
let registry: Awaited<ReturnType<typeof startRegistry>>;

before(async () => {
  registry = await startRegistry([
    { name: 'adds', version: '1.0.0', files: { 'index.js': 'module.exports = (a, b) => a + b;' } },
    { name: 'adds', version: '2.0.0', files: { 'index.js': 'module.exports = () => "two";' } },
    {
      name: 'uses-adds',
      version: '1.0.0',
      files: { 'main.js': 'const adds = require("adds"); exports.three = adds(1, 2);' },
      more: { main: 'main.js', dependencies: { adds: '^1.0.0' } },
    },
    {
      name: 'script',
      version: '1.0.0',
      files: { 'index.js': 'module.exports = 1;' },
      more: { scripts: { install: `touch ${MARK}`, postinstall: `touch ${MARK}`, prepare: `touch ${MARK}` } },
    },
    { name: 'reads', version: '1.0.0', files: { 'index.js': 'require("node:fs").readFileSync("/etc/passwd");' } },
    { name: 'native', version: '1.0.0', files: { 'index.js': 'require("./addon.node");', 'addon.node': 'x' } },
    { name: 'forged', version: '1.0.0', files: { 'index.js': '' }, integrity: `sha512-${Buffer.alloc(64).toString('base64')}` },
    { name: 'from-git', version: '1.0.0', files: { 'index.js': '' }, more: { dependencies: { other: 'git+https://example.org/x.git' } } },
    {
      name: 'endless',
      version: '1.0.0',
      files: { 'index.js': '' },
      more: { dependencies: { 'endless-a': '1.0.0', 'endless-b': '1.0.0' } },
    },
    { name: 'endless-a', version: '1.0.0', files: { 'index.js': '' } },
    { name: 'endless-b', version: '1.0.0', files: { 'index.js': '' } },
    { name: 'escapes', version: '1.0.0', files: { '../../../../tmp/escaped.js': 'x', 'index.js': 'module.exports = 1;' } },
  ]);
});
after(() => registry[Symbol.asyncDispose]());

type Answer =
  | { readonly ok: true; readonly name: string; readonly version: unknown; readonly code: string }
  | { readonly ok: false; readonly problem: string };

/** What the process that installs does. */
async function install(spec: string, limits: object = {}): Promise<Answer> {
  const folder = await mkdtemp(join(tmpdir(), 'saga-package-test-'));
  const asked = { spec, registry: registry.url, maxPackages: 50, maxBytes: 10_000_000, maxBundleBytes: 1_000_000, ...limits };
  try {
    const { name, manifest } = await unpack(asked, folder);
    return { ok: true, name, version: manifest.version, code: await bundle(name, folder, asked.maxBundleBytes) };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function evaluated(code: string): unknown {
  const module = { exports: {} };
  new Function('module', 'exports', 'require', code)(module, module.exports, undefined);
  return module.exports;
}

test('saga:33 a package is unpacked with its dependencies, in matching versions, and bundled to one script', async () => {
  const [one, tagged, uses] = await Promise.all([install('adds'), install('adds@^1'), install('uses-adds@1.0.0')]);
  assert.ok(one.ok && tagged.ok && uses.ok, JSON.stringify([one, tagged, uses]));
  assert.deepEqual([one.version, tagged.version, uses.name], ['2.0.0', '1.0.0', 'uses-adds']);
  assert.deepEqual({ ...(evaluated(uses.code) as object) }, { three: 3 });
});

test('saga:33 install scripts never run, and nothing is written outside', async () => {
  const [script, escapes] = await Promise.all([install('script'), install('escapes')]);
  assert.ok(script.ok);
  assert.equal(existsSync(MARK), false);
  assert.ok(escapes.ok || escapes.problem !== '');
  assert.equal(existsSync('/tmp/escaped.js'), false);
});

test('saga:33 what isolates cannot load, hashes that are wrong, other sources and too much are refused with a sentence', async () => {
  const refused: readonly (readonly [string, RegExp, object?])[] = [
    ['reads', /needs the module "fs"/],
    ['native', /native addon/],
    ['forged', /integrity|sha512/i],
    ['from-git', /only packages of the registry/],
    ['https://example.org/x.tgz', /only packages of the registry/],
    ['file:/etc', /only packages of the registry/],
    ['github:a/b', /only packages of the registry/],
    ['../up', /only packages of the registry/],
    ['nothing-like-it', /404/],
    ['endless', /more than 2 packages/, { maxPackages: 2 }],
    ['adds', /longer than 10 bytes/, { maxBundleBytes: 10 }],
    ['adds', /larger than 10 bytes/, { maxBytes: 10 }],
  ];
  for (const [spec, sentence, limits] of refused) {
    const answer = await install(spec, limits);
    assert.equal(answer.ok, false, spec);
    assert.match(answer.ok ? '' : answer.problem, sentence, spec);
  }
});

/**
 * Packages of several organizations, with what is written about each: the last that was set, by organization, and the states of every package
 * one after the other. What is not as a write demands is not found, as in the store.
 */
function startPackages(registryUrl: string) {
  const network = new LocalNetwork();
  const [bus, store] = [network.connect(), network.connect()];
  const written = new Map<string, JsonObject>();
  const states: string[] = [];
  const elements = new Map<string, Element>();
  const write = (tenant: string, operation: Operation): boolean => {
    if (!('target' in operation) || !('id' in operation.target)) return false;
    const { id, where } = operation.target;
    const element = elements.get(id);
    if (element === undefined || where === undefined || !compile(where)(element)) return false;
    if (!('set' in operation) || operation.set === undefined) return true;
    written.set(tenant, operation.set);
    states.push(String(operation.set.state));
    elements.set(id, { ...element, attributes: { ...element.attributes, ...operation.set } });
    return true;
  };
  const answerTo = (tenant: string, operations: readonly Operation[]): MutationOutcome =>
    operations.every((operation) => write(tenant, operation))
      ? { ok: true, value: { first: 0, last: 0, operations: [] } }
      : { ok: false, failure: { code: 'not-found' } };
  store.respond(graphMutate, async ({ requests }, { tenant = '' }) =>
    done({ epoch: 'e', outcomes: requests.map(({ operations }) => answerTo(tenant, operations)) }),
  );
  store.respond(graphWriteChunk, async () => done({ size: 1 }));
  const writing = new Writing(bus, new Wheel(systemClock));
  const packages = new Packages({ bus, writing, log: silentLog, enabled: true, registry: registryUrl });
  const change = (tenant: string, spec: string, wanted: number): FullChange => {
    const at = { on: 1, by: 'b', app: 'a' };
    const state = {
      ...{ tenant, id: `${tenant}-${spec}`, kind: 'vertex', type: 'saga/NpmPackage', scope: 's', version: 1, seq: 1, deleted: false },
      ...{ attributes: { package_name: spec, wanted }, created: at, modified: at },
    } as const;
    return { tenant, state } as unknown as FullChange;
  };
  const install = (tenant: string, spec: string, wanted = 1): Promise<void> => {
    const asked = change(tenant, spec, wanted);
    const { id, attributes } = asked.state;
    elements.set(id, { ...asked.state, attributes: { ...elements.get(id)?.attributes, ...attributes } });
    return packages.changed(asked);
  };
  /** A change that is delivered although there were further ones. */
  const deliverAgain = (tenant: string, spec: string, wanted: number) => packages.changed(change(tenant, spec, wanted));
  return { written, states, install, deliverAgain };
}

test('saga:33 a slow installation holds up its own organization only', async () => {
  // Until it is answered, the package is neither there nor missing.
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const front = createServer((request, response) => {
    if (request.url === '/slow') void answered.then(() => response.writeHead(404, { 'content-type': 'application/json' }).end('{}'));
    else response.writeHead(307, { location: `${registry.url}${request.url}` }).end();
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { written, install } = startPackages(`http://127.0.0.1:${(front.address() as AddressInfo).port}`);
  const slow = [install('a', 'slow'), install('a', 'adds')];
  await install('b', 'adds');
  await install('c', 'adds@1');
  assert.deepEqual([written.get('b')?.state, written.get('c')?.state, written.get('a')?.state], ['installed', 'installed', 'installing']);
  answer();
  await Promise.all(slow);
  assert.deepEqual([written.get('a')?.state, written.get('a')?.name], ['installed', 'adds']);
  await new Promise((resolve) => front.close(resolve));
});

test('saga:33 a package for which there is no room fails with a sentence, and the next one is installed', async () => {
  const { written, install } = startPackages(registry.url);
  const { TMPDIR } = process.env;
  process.env.TMPDIR = '/nowhere/at/all';
  try {
    await install('a', 'adds');
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
  assert.deepEqual([written.get('a')?.state, written.get('a')?.error_message], ['failed', 'there is no room for it']);
  await install('a', 'adds', 2);
  assert.equal(written.get('a')?.state, 'installed');
});

test('saga:33 a request for a package that is delivered again, or replaced by a newer one, installs nothing', async () => {
  const { states, install, deliverAgain } = startPackages(registry.url);
  await install('a', 'adds');
  await install('a', 'nothing-like-it');
  const before = ['installing', 'installed', 'installing', 'failed'];
  assert.deepEqual(states, before);
  await deliverAgain('a', 'adds', 1);
  await deliverAgain('a', 'nothing-like-it', 1);
  assert.deepEqual(states, before);
  await install('a', 'adds', 3);
  await deliverAgain('a', 'adds', 2);
  assert.deepEqual(states.slice(before.length), ['installing', 'installed']);
});

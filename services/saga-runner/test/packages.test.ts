/** Installing packages from a registry of this machine: what is installed, and what is refused with a sentence. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle } from '../src/packages/bundle.ts';
import { unpack } from '../src/packages/unpack.ts';
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

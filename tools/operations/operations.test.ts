/** Checks docs/operations.md and README.md: settings, tests for each failure, scripts and links. test/readme.test.ts runs their commands. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { blocksOf, commandsOf } from './commands.ts';
import { withSettings } from './settings-section.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/operations.md',
  'docs/architecture.md',
  'docs/interplay.md',
  'infra/k8s/README.md',
];

/** Every shell command of a document, without comments. */
const typedIn = (markdown: string): readonly string[] =>
  blocksOf(markdown, 'sh')
    .flatMap(commandsOf)
    .map((command) => command.replaceAll(/\s+# .*$/gm, ''));

suite('the documents', () => {
  test('docs/operations.md has the settings of the services (else run node tools/settings-docs.ts)', async () => {
    const document = read('docs/operations.md');
    assert.equal(await withSettings(document), document);
  });

  test('every described failure names existing tests', () => {
    const [, section = ''] = read('docs/operations.md').split('## What happens when');
    const items = section
      .replaceAll('\n  ', ' ')
      .split('\n')
      .filter((line) => line.startsWith('- **'));
    const failures = items.slice(0, items.findIndex((item) => item.includes('the clock of one machine')) + 1);
    assert.ok(failures.length >= 14, 'every failure');
    for (const failure of failures) {
      const proof = failure.split('*Shown by*').at(-1) ?? '';
      const named = [...proof.matchAll(/`([^`]+\.test\.ts)`: ([^;]+)/g)];
      assert.ok(named.length > 0, failure);
      for (const [, file = '', title = ''] of named) assert.ok(read(file).includes(title.trim()), `${file} has no test "${title.trim()}"`);
    }
  });

  test('every script and every setting named by a command exists', async () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
    for (const document of documents) {
      for (const command of [...typedIn(read(document)), ...[...read(document).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)]) {
        for (const [, script = ''] of command.matchAll(/\bnpm run (?:-s )?([a-z]+)/g))
          assert.ok(script in scripts, `${document}: npm run ${script}`);
        for (const [, file = ''] of command.matchAll(/\bnode ((?:services|tools|infra)\/[\w./-]+)/g))
          assert.ok(existsSync(join(root, file)), `${document}: ${file}`);
      }
    }
  });

  test('every link within the repository has a target', () => {
    const pages = [...documents, ...globSync(['docs/**/*.md', 'services/*/README.md', 'SECURITY.md'], { cwd: root })];
    for (const document of pages) {
      for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        assert.ok(existsSync(join(root, dirname(document), target)), `${document} → ${target}`);
      }
    }
  });
});

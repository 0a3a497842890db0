/** docs/operations.md and README.md say what is: settings, tests that prove the failure table, commands, links. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { suite, test } from 'node:test';
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

/** Lines of the shell blocks of a document. */
const commandsOf = (document: string): string[] =>
  [...read(document).matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== ''),
  );

suite('the documents', () => {
  test('docs/operations.md has the settings as the services define them (else run node tools/settings-docs.ts)', async () => {
    const document = read('docs/operations.md');
    assert.equal(await withSettings(document), document);
  });

  test('every row of the failure table names tests that exist', () => {
    const [, table = ''] = read('docs/operations.md').split('## What happens when');
    const rows = table.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what '));
    const before = rows.filter((row) => row.split(' | ').length === 3);
    const failures = before.slice(0, before.findIndex((row) => row.includes('the clock of one machine')) + 1);
    assert.ok(failures.length >= 14, 'every line of the table');
    for (const row of failures) {
      const proof = row.split(' | ').at(-1) ?? '';
      const named = [...proof.matchAll(/`([^`]+\.test\.ts)`: ([^;|]+)/g)];
      assert.ok(named.length > 0, row);
      for (const [, file = '', title = ''] of named) assert.ok(read(file).includes(title.trim()), `${file} has no test "${title.trim()}"`);
    }
  });

  test('every script of a command exists, and every setting that a command names does', async () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
    for (const document of documents) {
      for (const command of [...commandsOf(document), ...[...read(document).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)]) {
        for (const [, script = ''] of command.matchAll(/\bnpm run (?:-s )?([a-z]+)/g))
          assert.ok(script in scripts, `${document}: npm run ${script}`);
        for (const [, file = ''] of command.matchAll(/\bnode ((?:services|tools|infra)\/[\w./-]+)/g))
          assert.ok(existsSync(join(root, file)), `${document}: ${file}`);
      }
    }
  });

  test('every link within the repository leads somewhere', () => {
    for (const document of documents) {
      for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        assert.ok(existsSync(join(root, dirname(document), target)), `${document} → ${target}`);
      }
    }
  });

  test('the commands that need no running system run, as they stand in docs/operations.md', () => {
    const here = commandsOf('docs/operations.md').filter((command) => /main\.ts config/.test(command));
    assert.ok(here.length >= 2);
    for (const command of here) {
      const done = spawnSync('/bin/sh', ['-euc', command], {
        cwd: root,
        encoding: 'utf8',
        env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
      });
      assert.equal(done.status, 0, `${command}\n${done.stderr}`);
    }
  });
});

/** Checks that every reference in code and documents has a target, and that every term of the glossary exists in the code. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import {
  avoidedWordsOf,
  danglingIn,
  exportedNamesIn,
  glossaryOf,
  type Pages,
  rowsOf,
  sectionsOf,
  typesDeclaredIn,
  wordsOfName,
} from './references.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const filesOf = (pattern: string) =>
  globSync(pattern, { cwd: root, exclude: (name) => /(^|\/)(node_modules|\.polyedge|references)(\/|$)/.test(name) }).sort();

const pages: Pages = {
  rules: new Map(filesOf('docs/protocols/*-rules.md').map((path) => [basename(path, '-rules.md'), read(path)])),
  delivery: read('docs/delivery.md'),
  decisions: new Set(filesOf('docs/adr/*.md').map((path) => Number(basename(path).slice(0, 4)))),
};

suite('references', () => {
  test('every section, row and decision that a file names exists', () => {
    const files = [
      ...filesOf('{libs,services,infra,tools,test,bench}/**/*.{ts,mts,mjs,sql,lua,md}'),
      ...filesOf('docs/**/*.md'),
      ...filesOf('*.md'),
    ];
    assert.ok(files.length > 500);
    assert.deepEqual(
      files.flatMap((path) => danglingIn(path, read(path), pages)),
      [],
    );
  });

  test('every term of the glossary names something in the code', () => {
    const words = new Set(filesOf('{libs,services}/*/src/**/*.{ts,sql,lua}').flatMap((path) => read(path).match(/[\w-]+/g) ?? []));
    const terms = glossaryOf(read('docs/glossary.md'));
    assert.ok(terms.length > 30);
    for (const { term, names } of terms) {
      assert.ok(names.length > 0, `${term} names nothing of the code`);
      for (const name of names) {
        const found = name.includes('/') ? existsSync(join(root, name)) : words.has(name);
        assert.ok(found, `${term}: the code has no ${name}`);
      }
    }
  });
});

suite('names', () => {
  test('no exported name contains a word that the glossary avoids', () => {
    const { words, except } = avoidedWordsOf(read('docs/glossary.md'));
    assert.ok(words.size > 10);
    const files = filesOf('{libs,services,packages}/*/{src,page}/**/*.{ts,tsx}').filter((path) => !path.endsWith('.test.ts'));
    const names = files.flatMap((path) => exportedNamesIn(read(path)).map((name) => ({ path, name })));
    assert.ok(names.length > 1000);
    assert.deepEqual(
      names.filter(({ name }) => wordsOfName(name).some((word) => words.has(word)) && !except.has(name)),
      [],
    );
    for (const name of except)
      assert.ok(
        names.some((one) => one.name === name),
        `nothing exports ${name} any more`,
      );
  });

  test('no name of a type is declared in more than two files', () => {
    const files = filesOf('{infra,libs,services,packages}/**/{local,src,page}/**/*.{ts,tsx}').filter((path) => !path.endsWith('.test.ts'));
    const declared = files.flatMap((path) => typesDeclaredIn(read(path)).map((name) => ({ path, name })));
    assert.ok(declared.length > 1000);
    const places = Map.groupBy(declared, ({ name }) => name);
    assert.deepEqual(
      [...places].filter(([, some]) => some.length > 2).map(([name, some]) => [name, some.map(({ path }) => path)]),
      [],
    );
  });

  test('types are declared by name, exported or not, at the beginning of a line', () => {
    const text =
      'export type A = 1;\ninterface B {\n}\nexport abstract class C<T> {}\n  class D {}\nexport { type E } from "./e.ts";\nconst f = 1;\n';
    assert.deepEqual(typesDeclaredIn(text), ['A', 'B', 'C']);
  });

  test('names are exported ones with their fields, and are taken apart at capitals and underscores', () => {
    assert.deepEqual(
      exportedNamesIn('export const A_b = 1;\nexport async function askTwo() {}\nexport function* it() {}\nconst own = 1;\n'),
      ['A_b', 'askTwo', 'it'],
    );
    const fields =
      'export interface A {\n  readonly b: string;\n  tell(): void;\n}\nclass Own {\n  heard(): void {}\n}\nexport type C =\n  | { readonly d: 1 };\n';
    assert.deepEqual(exportedNamesIn(fields), ['A', 'b', 'tell', 'C', 'd']);
    assert.deepEqual(wordsOfName('askTwoHTTPThings_MAX'), ['ask', 'two', 'http', 'things', 'max']);
    const page = 'Exported names do not contain: `ask`,\n`told`.\n\nChannels keep the names `xTold`.\n';
    assert.deepEqual(avoidedWordsOf(page), { words: new Set(['ask', 'told']), except: new Set(['xTold']) });
  });
});

suite('what counts as a reference', () => {
  const few: Pages = {
    rules: new Map([['saga', '## 3. Messages\n### 3.2 Joins\n| # | feature |\n|---|---|\n| 22 | scripts |\n- **T81**: replay\n']]),
    delivery: '## 2. Writing\n1. **Validate first.** …\n2. **Batch.** …\n## 5. The feed\n1. **Why heads.** …\n',
    decisions: new Set([12]),
  };
  const dangling = (source: string, path = 'services/saga-edge/src/x.ts') =>
    danglingIn(path, source, few).map(({ reference }) => reference);

  test('sections are headings and the numbered rules below them', () => {
    assert.deepEqual([...sectionsOf(few.delivery)], ['2', '2.1', '2.2', '5', '5.1']);
    assert.deepEqual([...rowsOf(few.rules.get('saga') ?? '')], ['22', 'T81']);
  });

  test('existing targets are found, even if a comment breaks a line inside the reference', () => {
    for (const source of [
      '/** Joins (Saga protocol page, 3.2). */',
      '// protocol page 3.2 and section 3',
      '/** Joins (protocol page\n * 3.2). */',
      '// delivery.md 2.1–2.2; delivery.md, section 5; delivery.md 5, "Why heads"',
      '// docs/adr/0012, adr 12, NATS ADR-32',
    ])
      assert.deepEqual(dangling(source), [], source);
  });

  test('each kind of dangling reference is found', () => {
    for (const source of [
      '// protocol page 3.9',
      '// HIRO protocol page 1',
      '// Saga protocol page, Joins',
      '// delivery.md 2.3',
      '// adr 13',
    ])
      assert.equal(dangling(source).length, 1, source);
    assert.equal(dangling('// delivery.md 5, "Own changes"').length, 1);
    assert.equal(dangling('// protocol page 3.2', 'libs/x/src/x.ts').length, 1);
    assert.deepEqual(dangling("test('saga:22 saga:23 hiro:E1 runs', f);", 'services/saga-edge/test/x.test.ts'), ['saga:23', 'hiro:E1']);
  });

  test('a term has its names, over any number of lines', () => {
    assert.deepEqual(glossaryOf('- **head**: closes a run\n  of changes (`graphHead`).\n- **ack**: `ack`.\n'), [
      { term: 'head', names: ['graphHead'] },
      { term: 'ack', names: ['ack'] },
    ]);
  });
});

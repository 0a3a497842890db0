import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cells, linksOf, PAGE_FILE, PROTOCOLS, pageLinks } from './page.ts';

const fileOf = (link: string): string => join(dirname(PAGE_FILE), link.replace(/#.*$/, ''));
const titles = (file: string): readonly string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^ *test\(\s*'([^']*)'/gm)].map(([, title = '']) => title);

test('every link of docs/interplay.md leads to a file', () => {
  assert.ok(pageLinks.length >= PROTOCOLS.length ** 2);
  assert.deepEqual(
    pageLinks.filter((link) => !existsSync(fileOf(link))),
    [],
  );
});

test('every cell of docs/interplay.md says something and links to a test whose title names it', () => {
  const untold = cells().filter(({ from, to, text }) => {
    const shown = linksOf(text).some((link) => titles(fileOf(link)).some((title) => title.includes(`${from} → ${to}: `)));
    return !shown || text.replaceAll(/\(\[.*\)/g, '').trim() === '';
  });
  assert.deepEqual(
    untold.map(({ from, to }) => `${from} → ${to}`),
    [],
  );
});

test('every column of docs/interplay.md has a test of who may not see', () => {
  for (const to of PROTOCOLS) {
    const files = cells().flatMap((cell) => (cell.to === to ? linksOf(cell.text).map(fileOf) : []));
    assert.ok(
      files.some((file) => titles(file).some((title) => title.startsWith(`seen in ${to}: `))),
      to,
    );
  }
});

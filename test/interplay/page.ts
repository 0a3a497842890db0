/** Parses docs/interplay.md for the tests: what shows where, and the configuration to paste. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export const PROTOCOLS = ['HIRO', 'Saga', 'SPACE', 'Good Uncle', 'JSSocket'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

export interface Cell {
  readonly from: ProtocolName;
  readonly to: ProtocolName;
  readonly text: string;
}

export const PAGE_FILE = resolve(import.meta.dirname, '../../docs/interplay.md');
const page = readFileSync(PAGE_FILE, 'utf8');

/** What the page links to, as written. */
export const linksOf = (text: string): readonly string[] => [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);

export const pageLinks = linksOf(page);

/** The 25 cells: what a write through one protocol shows in each one, in the order of `PROTOCOLS`. */
export function cells(): readonly Cell[] {
  const [, ...sections] = page.split(/^### Written through /m);
  assert.deepEqual(
    sections.map((section) => section.split('\n', 1)[0]),
    [...PROTOCOLS],
  );
  return sections.flatMap((section, at) => {
    const from = PROTOCOLS[at];
    assert.ok(from);
    const [list = ''] = section.split(/^## /m);
    const items = [...list.replaceAll('\n  ', ' ').matchAll(/^- \*\*(.+?)\*\*[^:]*: (.*)$/gm)];
    assert.deepEqual(
      items.map(([, to]) => to),
      [...PROTOCOLS],
    );
    return PROTOCOLS.map((to, column): Cell => ({ from, to, text: items[column]?.[2] ?? '' }));
  });
}

/** The only block of a language. */
export function blockOf(language: 'yaml' | 'json'): string {
  const blocks = [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text = '']) => text);
  assert.equal(blocks.length, 1, `${language} blocks of the page`);
  return blocks[0] ?? '';
}

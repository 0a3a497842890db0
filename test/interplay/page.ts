/** docs/interplay.md as tests read it: its matrix and the configuration to paste. */
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

/** The 25 cells, row by row. */
export function cells(): readonly Cell[] {
  const rows = page.split('\n').filter((line) => line.startsWith('| **'));
  assert.deepEqual(
    rows.map((row) => /^\| \*\*(.*?)\*\*/.exec(row)?.[1]),
    [...PROTOCOLS],
  );
  return rows.flatMap((row, at) => {
    const [, , ...texts] = row.split('|').map((text) => text.trim());
    const from = PROTOCOLS[at];
    assert.ok(from);
    return PROTOCOLS.map((to, column): Cell => ({ from, to, text: texts[column] ?? '' }));
  });
}

/** The one block of a language. */
export function blockOf(language: 'yaml' | 'json'): string {
  const blocks = [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text = '']) => text);
  assert.equal(blocks.length, 1, `${language} blocks of the page`);
  return blocks[0] ?? '';
}
